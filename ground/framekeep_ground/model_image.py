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
    "io" / Int32ul * "offset of the input, then the outputs",
    "heads" / Int32ul * "offset of the heads",
    "labels" / Int32ul * "offset of the class names, each ended by a zero byte",
    "thresholds" / Int32ul * "offset of a byte per class: the score from which it counts as present",
    "luts" / Int32ul * "offset of the tables from pixel to input value, 256 bytes each",
    "constants" / Int32ul * "offset of weights and tables, which end where the CRCs begin",
    "crcs" / Int32ul * "offset of the CRC-32 of each 4096 bytes before it",
    "tensor_count" / Int16ul,
    "operator_count" / Int16ul,
    "labels_size" / Int16ul * "bytes; 0 = no names",
    "width" / Int16ul * "of the input picture, pixels; 0 = the input is no picture",
    "height" / Int16ul * "of the input picture, pixels",
    "channels" / Int8ul * "1 or 3; 0 = the input is no picture",
    "order" / Int8ul * "0 no picture, 1 grey, 2 RGB, 3 BGR",
    "fit" / Int8ul * "0 the frame is stretched, 1 cropped to the input's aspect",
    "lut_count" / Int8ul * "0, 1 or one per channel",
    "output_count" / Int8ul,
    "head_count" / Int8ul,
    "class_count" / Int8ul,
    "reserved" / Bytes(15) * "0",
)

FkmTensor = Struct(
    "offset" / Int32ul * "in the arena, a multiple of 16; tensors may share memory",
    "size" / Int32ul * "bytes",
    "source" / Int16ul * "its number in the .tflite",
    "rank" / Int8ul * "dimensions that count, 0..5",
    "reserved" / Int8ul * "0",
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
    "op" / FkmOp * "kinds 1 to 4",
    "in_h" / Int16ul,
    "in_w" / Int16ul,
    "in_c" / Int16ul,
    "out_h" / Int16ul,
    "out_w" / Int16ul,
    "out_c" / Int16ul,
    "kernel_h" / Int16ul,
    "kernel_w" / Int16ul,
    "stride_h" / Int16ul,
    "stride_w" / Int16ul,
    "dilation_h" / Int16ul,
    "dilation_w" / Int16ul,
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
    "bias" / Int32sl * "with -in_zero * (sum of the weights) inside",
    "multiplier" / Int32sl * "sum * multiplier * 2^(shift-31) is the output less its zero point",
    "shift" / Int32sl * "-31..30",
)

FkmSoftmax = Struct(
    "op" / FkmOp * "kind 5",
    "rows" / Int32ul,
    "depth" / Int32ul * "values of a row",
    "exps" / Int32ul * "offset of exp(-d * scale * beta) as Q0.31, d = 0, 1, ...",
    "exp_count" / Int32ul * "1..256; it is 0 beyond",
    "reserved" / Bytes(40) * "0",
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
    ("FkmHead", FkmHead, "FK_FKM_HEAD"),
)
