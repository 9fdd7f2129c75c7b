"""The format of a model image (.fkm): little-endian, read in place. Part of `formats`.

An image is its header, then sections where the header says, then one CRC-32
for each 4 KiB of what stands before the CRCs.
"""

from construct import Array, Bytes, Construct, Int8sl, Int8ul, Int16sl, Int16ul, Int32sl, Int32ul, Struct

FKM_MAGIC = 0x314D4B46  # "FKM1" in the file
FKM_VERSION = 1
FKM_NONE = 0xFFFF  # where an operator has no such tensor
FKM_SLICE = 4096
FKM_RECORD = 64  # bytes of an operator

FkmHeader = Struct(
    "magic" / Int32ul * "FKM1",
    "version" / Int16ul * "1",
    "header_size" / Int16ul * "bytes of this header",
    "image_size" / Int32ul * "bytes of the whole image, CRCs too",
    "arena_size" / Int32ul * "bytes for the tensors; a build adds its kernels' scratch",
    "model_id" / Bytes(8) * "first 8 bytes of the SHA-256 of the source .tflite",
    "flags" / Int32ul * "bit 0: every tensor kept; bit 1: dead channels removed",
    "tensors" / Int32ul * "offset of the tensors",
    "operators" / Int32ul * "offset of the operators, in the order they run",
    "io" / Int32ul * "offset of the inputs, then the outputs",
    "heads" / Int32ul * "offset of the heads",
    "labels" / Int32ul * "offset of the class names, each ended by a zero byte",
    "thresholds" / Int32ul * "offset of a byte per class: the score from which it counts as present",
    "luts" / Int32ul * "offset of the tables from pixel to input value, 256 bytes each",
    "constants" / Int32ul * "offset of weights and tables, which end where the CRCs begin",
    "crcs" / Int32ul * "offset of the CRC-32 of each 4096 bytes before it",
    "tensor_count" / Int16ul * "number of tensors",
    "operator_count" / Int16ul * "number of operators",
    "labels_size" / Int16ul * "bytes; 0 = no names",
    "width" / Int16ul * "of the input picture, pixels; 0 = the input is no picture",
    "height" / Int16ul * "of the input picture, pixels",
    "channels" / Int8ul * "1 or 3; 0 = the input is no picture",
    "order" / Int8ul * "0 no picture, 1 grey, 2 RGB, 3 BGR",
    "fit" / Int8ul * "0 the frame is stretched, 1 cropped to the input's aspect",
    "lut_count" / Int8ul * "0, 1 or one per channel",
    "output_count" / Int8ul * "number of outputs",
    "head_count" / Int8ul * "number of heads",
    "class_count" / Int8ul * "number of classes",
    "input_count" / Int8ul * "at least 1; a picture is the first",
    "stream_count" / Int16ul * "how many of the first operators run row by row, see below",
    "tops" / Int32ul * "offset of a u32 per operator: from there on the arena is free while it runs",
    "reserved" / Bytes(8) * "0",
)

FkmTensor = Struct(
    "offset" / Int32ul * "in the arena, a multiple of 16; tensors may share memory",
    "size" / Int32ul * "bytes",
    "source" / Int16ul * "its number in the .tflite",
    "rank" / Int8ul * "dimensions that count, 0..5",
    "band" / Int8ul * "1: only some rows of it are there at a time, size / row; 0: all of it",
    "shape" / Array(5, Int32ul) * "outermost first",
)

FkmIo = Struct(
    "tensor" / Int16ul * "number of the tensor",
    "zero_point" / Int16sl * "the value that stands for 0",
    "scale" / Int32ul * "IEEE 754 single: real = scale * (value - zero_point); unused on board",
)

FkmOp = Struct(
    "kind" / Int8ul * "which kernel, see the table of kinds",
    "layout" / Int8ul * "how the weights are packed, 0 = as in the .tflite",
    "input" / Int16ul * "tensor",
    "input2" / Int16ul * "tensor, 0xFFFF = none",
    "output" / Int16ul * "tensor",
)

FkmWindow = Struct(
    "op" / FkmOp * "kinds 1 conv, 2 depthwise, 3 average pool, 4 maximum pool, 15 transpose conv",
    "in_h" / Int16ul * "rows of the input",
    "in_w" / Int16ul * "columns of the input",
    "in_c" / Int16ul * "channels of the input",
    "out_h" / Int16ul * "rows of the output",
    "out_w" / Int16ul * "columns of the output",
    "out_c" / Int16ul * "channels of the output",
    "kernel_h" / Int16ul * "rows of the window",
    "kernel_w" / Int16ul * "columns of the window",
    "stride_h" / Int16ul * "rows from one window to the next",
    "stride_w" / Int16ul * "columns from one window to the next",
    "dilation_h" / Int16ul * "rows from one tap to the next",
    "dilation_w" / Int16ul * "columns from one tap to the next",
    "pad_top" / Int16ul * "rows of zero point before the first",
    "pad_left" / Int16ul * "columns of zero point before the first",
    "in_zero" / Int8sl * "zero point of the input",
    "out_zero" / Int8sl * "zero point of the output",
    "act_min" / Int8sl * "least output",
    "act_max" / Int8sl * "largest output",
    "weights" / Int32ul * "offset, 0 for pools",
    "table" / Int32ul * "offset of an FkmChannel per output channel, 0 for pools",
    "reserved" / Bytes(16) * "0",
)

FkmChannel = Struct(
    "bias" / Int32sl * "with -in_zero * (sum of the weights) inside, but for kind 15",
    "multiplier" / Int32sl * "sum * multiplier * 2^(shift-31) is the output less its zero point",
    "shift" / Int32sl * "-31..30",
)

FkmSoftmax = Struct(
    "op" / FkmOp * "kind 5",
    "rows" / Int32ul * "rows of values",
    "depth" / Int32ul * "values of a row",
    "exps" / Int32ul * "offset of exp(-d * scale * beta) as Q0.31, d = 0, 1, ...",
    "exp_count" / Int32ul * "1..256; it is 0 beyond",
    "reserved" / Bytes(40) * "0",
)

FkmBinary = Struct(
    "op" / FkmOp * "kinds 6 ADD and SUB, 7 MUL, 8 PRELU",
    "dims" / Array(4, Int32ul) * "of the output, outermost first",
    "broadcast_a" / Int8ul * "bit d: the first operand has 1 in dimension d",
    "broadcast_b" / Int8ul * "the same of the second",
    "negate" / Int8ul * "ADD: bit 0 subtracts the first, bit 1 the second",
    "a_zero" / Int8sl * "zero point of the first operand",
    "b_zero" / Int8sl * "zero point of the second",
    "out_zero" / Int8sl * "zero point of the output",
    "act_min" / Int8sl * "least output",
    "act_max" / Int8sl * "largest output",
    "a_multiplier" / Int32sl * "ADD: of the first operand; PRELU: of values above zero",
    "b_multiplier" / Int32sl * "ADD: of the second operand; PRELU: of the others times alpha",
    "out_multiplier" / Int32sl * "ADD: of the sum; MUL: of the product",
    "a_shift" / Int8sl * "goes with a_multiplier, as in FkmChannel",
    "b_shift" / Int8sl * "goes with b_multiplier",
    "out_shift" / Int8sl * "goes with out_multiplier",
    "spare" / Int8ul * "0",
    "constant" / Int32ul * "offset of the second operand where it is no tensor",
    "reserved" / Bytes(12) * "0",
)

FkmLut = Struct(
    "op" / FkmOp * "kind 9",
    "table" / Int32ul * "offset of 256 i8: the output for -128, -127, ...",
    "reserved" / Bytes(52) * "0",
)

FkmFill = Struct(
    "op" / FkmOp * "kind 10; the input is not read",
    "value" / Int8sl * "of every element",
    "reserved" / Bytes(55) * "0",
)

FkmCopy = Struct(
    "op" / FkmOp * "kind 11",
    "dims" / Array(4, Int32ul) * "of the box that is moved, outermost first",
    "in_stride" / Array(4, Int32sl) * "bytes, may be below 0",
    "out_stride" / Array(4, Int32sl) * "bytes",
    "in_offset" / Int32ul * "of the box's first element in the input",
    "out_offset" / Int32ul * "and in the output",
)

FkmMean = Struct(
    "op" / FkmOp * "kind 12",
    "outer" / Int32ul * "of a tensor [outer][reduce][inner]",
    "reduce" / Int32ul * "values that become one",
    "inner" / Int32ul * "of the same tensor",
    "bias" / Int32sl * "-(zero point of the input) * reduce",
    "multiplier" / Int32sl * "with 1 / reduce inside",
    "shift" / Int8sl * "as in FkmChannel",
    "out_zero" / Int8sl * "zero point of the output",
    "reserved" / Bytes(34) * "0",
)

FkmResize = Struct(
    "op" / FkmOp * "kinds 13 nearest, 14 bilinear",
    "in_h" / Int16ul * "rows of the input",
    "in_w" / Int16ul * "columns of the input",
    "channels" / Int16ul * "of both",
    "out_h" / Int16ul * "rows of the output",
    "out_w" / Int16ul * "columns of the output",
    "spare" / Int16ul * "0",
    "rows" / Int32ul * "offset of u16 row (kind 13) or u16 lower, u16 upper, i32 weight/1024 (kind 14)",
    "columns" / Int32ul * "the same for columns",
    "reserved" / Bytes(36) * "0",
)

FkmHead = Struct(
    "kind" / Int8ul * "1 score by table, 2 softmax over a cell's channels",
    "output" / Int8ul * "which output",
    "first" / Int8ul * "channel of class 0; those before are background",
    "anchors" / Int8ul * "per cell, at least 1",
    "grid_h" / Int16ul * "cells; 1 for a classifier",
    "grid_w" / Int16ul * "cells; 1 for a classifier",
    "depth" / Int16ul * "channels of an anchor",
    "object" / Int8ul * "channel whose score scales those of the classes, 255 = none",
    "box" / Int8ul * "first of the channels x, y, w, h; 255 = none",
    "scores" / Int32ul * "offset of 256 scores (kind 1) or of 256 u32 in proportion to e^-d (kind 2)",
    "boxes" / Int32ul * "offset of 256 i32 for x and y, 256 i32 for w and h, (w, h) of each anchor",
    "reserved" / Bytes(12) * "0",
)

# name, struct, prefix of the macros
FKM_FORMATS: tuple[tuple[str, Construct, str], ...] = (
    ("FkmHeader", FkmHeader, "FK_FKM"),
    ("FkmTensor", FkmTensor, "FK_FKM_TENSOR"),
    ("FkmIo", FkmIo, "FK_FKM_IO"),
    ("FkmOp", FkmOp, "FK_FKM_OP"),
    ("FkmWindow", FkmWindow, "FK_FKM_WINDOW"),
    ("FkmChannel", FkmChannel, "FK_FKM_CHANNEL"),
    ("FkmSoftmax", FkmSoftmax, "FK_FKM_SOFTMAX"),
    ("FkmBinary", FkmBinary, "FK_FKM_BINARY"),
    ("FkmLut", FkmLut, "FK_FKM_LUT"),
    ("FkmFill", FkmFill, "FK_FKM_FILL"),
    ("FkmCopy", FkmCopy, "FK_FKM_COPY"),
    ("FkmMean", FkmMean, "FK_FKM_MEAN"),
    ("FkmResize", FkmResize, "FK_FKM_RESIZE"),
    ("FkmHead", FkmHead, "FK_FKM_HEAD"),
)
