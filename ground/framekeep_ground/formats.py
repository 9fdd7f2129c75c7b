"""Every byte format of framekeep, declared once.

A field is `"name" / type * "meaning, unit, range"`. The names are those of the
C macros, the document tables and the CSV columns. Plain integers only: what
is packed into bits is said in the field's text, and taken apart by its reader.

`python -m framekeep_ground.generate` walks FORMATS and CONSTANTS, at the end,
and writes `onboard/include/fk/wire.h` and the tables of the documents.
"""

from dataclasses import dataclass

from construct import (
    Array,
    Bytes,
    BytesInteger,
    Construct,
    Int8sb,
    Int8ub,
    Int16ub,
    Int32ub,
    Int64ub,
    Struct,
)

from framekeep_ground.model_image import FKM_FORMATS, FKM_MAGIC, FKM_NONE, FKM_RECORD, FKM_SLICE, FKM_VERSION

ICD = "docs/ICD.md"
SPEC = "docs/SPEC.md"

# --- Downlink packets (docs/ICD.md) ---------------------------------------------------------------

PACKET_PRIMARY = 6  # bytes of the CCSDS primary header; `length` counts what follows, less 1
PACKET_LENGTH_MAX = PACKET_PRIMARY + 0x10000
PACKET_ID_TM = 0x0800  # version 0, telemetry, secondary header present; APID in the low 11 bits
SEQUENCE_UNSEGMENTED = 0xC000
SEQUENCE_MODULO = 1 << 14

TM_PUS = 0x20  # PUS version 2 (that of PUS-C) in the high nibble, time reference status 0
TM_P_FIELD = 0x2E  # CUC: agency epoch, 4 bytes of seconds, 2 of fraction
TM_EPOCH_UNIX = 946_684_800  # 2000-01-01T00:00:00Z as Unix time

SERVICE = 128  # the first of the PUS services that are free for a mission's use
SUBTYPE_DECISION = 1
SUBTYPE_FRAME = 2
SUBTYPE_CHUNK = 3
SUBTYPE_THUMBNAIL = 4
SUBTYPE_REPORT = 5

APID_RECORDS = 0x064  # decision records and thumbnails
APID_IMAGES = 0x065  # frames of interest and their chunks

THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 16, 12  # pixels

CHUNK_SIZE_MAX = 4096  # the largest share of a picture in one packet

CRC16_INIT = 0xFFFF  # polynomial 0x1021, not reflected, no final inversion

TmHeader = Struct(
    "packet_id" / Int16ub * "version 000, type 0 (telemetry), secondary header 1, APID (11 bits)",
    "sequence" / Int16ub * "flags 11 (unsegmented), count (14 bits) per APID, wraps at 16384",
    "length" / Int16ub * "bytes after this field, less 1",
    "pus" / Int8ub * "0x20: PUS version 2, time reference status 0",
    "service" / Int8ub * "128",
    "subtype"
    / Int8ub
    * "what follows: 1 decision, 2 frame of interest, 3 image chunk, 4 thumbnail, 5 report",
    "message" / Int16ub * "counts the messages of this subtype, wraps at 65536",
    "destination" / Int16ub * "as configured, 0 by default",
    "p_field" / Int8ub * "0x2E: CUC, agency epoch, 4 bytes of seconds, 2 of fraction",
    "time" / BytesInteger(6) * "when the frame was taken: 1/65536 s since 2000-01-01T00:00:00 UTC",
)

Box = Struct(
    "x" / Int16ub * "left edge, in 1/65535 of the frame's width",
    "y" / Int16ub * "upper edge, in 1/65535 of the frame's height",
    "width" / Int16ub * "in 1/65535 of the frame's width",
    "height" / Int16ub * "in 1/65535 of the frame's height; all four 0 = not known",
)

Decision = Struct(
    "frame_id" / Int32ub * "counts up from first boot, never reused",
    "size" / Int32ub * "bytes of the encoded picture, 0 if not encoded",
    "value" / Int16ub * "what ranks frames in flash and downlink, 0..65535",
    "reason" / Int8ub * "why the frame was kept or not, see the reason codes",
    "class_index" / Int8ub * "the class that decided",
    "score" / Int8ub * "of that class, 0..255 = never..certain",
    "mean" / Int8ub * "brightness of the frame, 0..255",
    "contrast" / Int8ub * "95th less 5th percentile of brightness, 0..255",
    "error" / Int8sb * "error code of the stage that failed, or 0",
    "box" / Box * "where the object is",
    "model_id" / Bytes(8) * "first 8 bytes of the SHA-256 of the source model",
)

Thumbnail = Struct(
    "frame_id" / Int32ub * "as in its decision record",
    "pixels"
    / Bytes(THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT)
    * "grey, 16 x 12, row by row: the whole frame, area averages",
)

Report = Struct(
    "frame_id" / Int32ub * "of the next frame: from it on a new policy holds",
    "command_id" / Int16ub * "packet_id of the command's packet",
    "command_sequence" / Int16ub * "sequence of the command's packet",
    "command_subtype" / Int8ub * "what it asked for: 64 ping, 65 resend, 66 delete, 67 policy",
    "error" / Int8sb * "why it was refused, or 0: it is carried out",
)

# What waits in the flash log: the first byte of a log record is the subtype of the packets to be, behind
# it lie decision records, one thumbnail record or one report record. Bytes 14..51 of a decision record's
# packet are these, unchanged; so are bytes 14..215 of a thumbnail's and 14..29 of a report's.
DecisionRecord = Struct(
    "time" / BytesInteger(6) * "when the frame was taken: 1/65536 s since 2000-01-01T00:00:00 UTC",
    "decision" / Decision * "as in its packet (see ICD.md)",
)

ThumbnailRecord = Struct(
    "time" / BytesInteger(6) * "when the frame was taken: 1/65536 s since 2000-01-01T00:00:00 UTC",
    "thumbnail" / Thumbnail * "as in its packet (see ICD.md)",
)

ReportRecord = Struct(
    "time"
    / BytesInteger(6)
    * "of the last frame before the command: 1/65536 s since 2000-01-01T00:00:00 UTC",
    "report" / Report * "as in its packet (see ICD.md)",
)

FrameInfo = Struct(
    "frame_id" / Int32ub * "as in its decision record",
    "size" / Int32ub * "bytes of the encoded picture",
    "crc32" / Int32ub * "of the encoded picture, as zlib computes it",
    "width" / Int16ub * "of the picture, pixels",
    "height" / Int16ub * "of the picture, pixels",
    "left" / Int16ub * "of the picture in the frame, pixels",
    "top" / Int16ub * "of the picture in the frame, pixels",
    "frame_width" / Int16ub * "of the frame, pixels",
    "frame_height" / Int16ub * "of the frame, pixels",
    "value" / Int16ub * "what ranked the frame, 0..65535",
    "class_index" / Int8ub * "the class that decided",
    "score" / Int8ub * "of that class, 0..255",
    "box" / Box * "where the object is",
    "model_id" / Bytes(8) * "first 8 bytes of the SHA-256 of the source model",
    "chunk_size" / Int16ub * "bytes of the picture in each chunk but the last",
    "chunk_count" / Int32ub * "chunks that follow",
)

ChunkHeader = Struct(
    "frame_id" / Int32ub * "as in its decision record",
    "offset" / Int32ub * "of the first byte of this chunk in the encoded picture",
    "size" / Int32ub * "bytes of the whole encoded picture",
)

PacketTrailer = Struct(
    "crc16" / Int16ub * "over all bytes before it: polynomial 0x1021, initial value 0xFFFF",
)

DecisionPacket = Struct("header" / TmHeader, "data" / Decision, "trailer" / PacketTrailer)
FramePacket = Struct("header" / TmHeader, "data" / FrameInfo, "trailer" / PacketTrailer)
ThumbnailPacket = Struct("header" / TmHeader, "data" / Thumbnail, "trailer" / PacketTrailer)
ReportPacket = Struct("header" / TmHeader, "data" / Report, "trailer" / PacketTrailer)
CHUNK_REST: int = TmHeader.sizeof() - PACKET_PRIMARY + ChunkHeader.sizeof() + PacketTrailer.sizeof()
# A chunk's bytes run up to the trailer, so their number follows from the packet's length.
ChunkPacket = Struct(
    "header" / TmHeader,
    "data" / ChunkHeader,
    "bytes" / Bytes(lambda this: this.header.length + 1 - CHUNK_REST) * "of the encoded picture",
    "trailer" / PacketTrailer,
)

# --- Telecommands (docs/ICD.md) -------------------------------------------------------------------

PACKET_ID_TC = 0x1800  # version 0, telecommand, secondary header present; APID in the low 11 bits
COMMANDS = {"ping": 64, "resend": 65, "delete": 66, "policy": 67}  # subtypes, by name

TcHeader = Struct(
    "packet_id"
    / Int16ub
    * "version 000, type 1 (telecommand), secondary header 1, APID of records (11 bits)",
    "sequence" / Int16ub * "flags 11 (unsegmented), count (14 bits): the report names it",
    "length" / Int16ub * "bytes after this field, less 1",
    "pus"
    / Int8ub
    * "PUS version 2 in the high four bits; the others ask for acknowledgements, a report comes anyway",
    "service" / Int8ub * "128",
    "subtype" / Int8ub * "what is wanted: 64 ping, 65 resend, 66 delete, 67 policy",
    "source" / Int16ub * "who sends it; not looked at",
)

Resend = Struct(
    "frame_id" / Int32ub * "as in its decision record",
    "first" / Int32ub * "byte of the encoded picture, one that it has",
    "last" / Int32ub * "byte of the encoded picture, first..4294967295; past its end = up to its end",
)

Delete = Struct(
    "frame_id" / Int32ub * "as in its decision record",
)

COMMAND_DATA = {"ping": Struct(), "resend": Resend, "delete": Delete}  # of the policy see Policy

# --- Policy: a mission compiled (docs/SPEC.md) ------------------------------------------------------

POLICY_MAGIC = 0x464B504F  # "FKPO"
POLICY_VERSION = 1
POLICY_CLASSES_MAX = 8
POLICY_MASKS_MAX = 4
POLICY_TILES_MAX = 16  # a side

PolicyRect = Struct(
    "x" / Int16ub * "left edge, pixels of the frame",
    "y" / Int16ub * "upper edge",
    "width" / Int16ub * "pixels",
    "height" / Int16ub * "pixels",
)

PolicyClass = Struct(
    "index" / Int8ub * "output of the model",
    "threshold" / Int8ub * "least score, 0..255, at which a frame is of interest",
    "weight" / Int16ub * "0..257: a frame's value is score x weight",
    "floor" / Int32ub * "bytes of pictures in flash below which other classes cannot push it; 0 = none",
    "ceiling" / Int32ub * "bytes of pictures in flash at most, picture_bytes_max or more; 0 = no bound",
)

Policy = Struct(
    "magic" / Int32ub * "0x464B504F: FKPO",
    "version" / Int8ub * "1",
    "size" / Int16ub * "bytes of the policy, magic to CRC",
    "width" / Int16ub * "of a frame, pixels",
    "height" / Int16ub * "of a frame, pixels",
    "crop" / PolicyRect * "what the network sees; 0 wide and high = the whole frame",
    "tiles_across"
    / Int8ub
    * "1..16: overlapping parts of that, side by side, each of which the network looks at",
    "tiles_down" / Int8ub * "1..16: rows of such parts; the surest counts",
    "pixel_format" / Int8ub * "0 GRAY8, 1 RGB565LE, 2 RGB565BE, 3 YUYV, 4 RGB888",
    "dark_below" / Int8ub * "95th percentile of brightness under it: too dark; 0 = never",
    "bright_above" / Int8ub * "5th percentile of brightness over it: overexposed; 255 = never",
    "contrast_below" / Int8ub * "95th less 5th percentile under it: blank; 0 = never",
    "jpeg_quality" / Int8ub * "1..100",
    "jpeg_mode" / Int8ub * "0 greyscale, 1 colour 4:2:0",
    "restart_interval" / Int16ub * "MCUs between restart markers, 0 = none",
    "picture_bytes_max" / Int32ub * "1..196608: a larger picture is not kept",
    "window_width" / Int16ub * "of the part that is kept, around what was found; 0 wide and high = all",
    "window_height" / Int16ub * "pixels",
    "record_apid" / Int16ub * "of decision records, 0..2046",
    "image_apid" / Int16ub * "of frames and their chunks, 0..2046, another",
    "chunk_bytes" / Int16ub * "bytes of a picture in one packet",
    "class_count" / Int8ub * "1..8: how many of the classes count",
    "classes" / Array(POLICY_CLASSES_MAX, PolicyClass) * "those that do not count are all 0",
    "audit_every" / Int16ub * "of so many frames one leaves a thumbnail, kept or not; 0 = none",
    "mask_count" / Int8ub * "0..4: how many of the masks count",
    "masks"
    / Array(POLICY_MASKS_MAX, PolicyRect)
    * "made black in the frame buffer; those that do not count are all 0",
    "crc16" / Int16ub * "over all bytes before it: polynomial 0x1021, initial value 0xFFFF",
)

# --- The store: the log of frames in flash (docs/SPEC.md) -------------------------------------------

STORE_MAGIC = 0x464B  # "FK"
STORE_VERSION = 1
# Last byte of a record. Any two differ in four bits, and from 00 and FF.
STORE_KIND_CLEAN = 0x0F
STORE_KIND_CHUNK = 0x33
STORE_KIND_COMMIT = 0x3C
STORE_KIND_MARKS = 0x55
STORE_KIND_LOG = 0x5A
STORE_KIND_FULL = 0x66  # a chunk that leaves no room for another record in its segment
STORE_CRC = 4  # bytes of the CRC-32 that begins every record
STORE_RECORD_MIN = 24  # bytes of a record without a body
STORE_PLACES_MAX = 0x4000  # grains of a segment
STORE_CHUNK_MAX = 4096  # bytes of a frame in one chunk
STORE_EXTENTS_MAX = 48  # chunks of a frame
STORE_LOG_MAX = 240  # bytes of one record of the ring, or of marks
STORE_FLAG_SENT = 1  # of a commit
STORE_MARK_SENT = 0x8000  # of a mark's segment

# What stands after a record's CRC and body: five words, the last byte says the kind.
StoreClean = Struct(
    "erase_count" / Int32ub * "of this segment, this erase included",
    "reserved" / Int32ub * "0",
    "next_id" / Int32ub * "above every frame id in use at the time; 0 = all are used up",
    "size_log2" / Int8ub * "of the segment's bytes",
    "grain_log2" / Int8ub * "of the grain's bytes",
    "segment_count" / Int16ub * "of the region",
    "magic" / Int16ub * "0x464B: FK",
    "version" / Int8ub * "1",
    "kind" / Int8ub * "0x0F",
)

StoreChunk = Struct(
    "frame_id" / Int32ub * "as in its decision record",
    "place" / Int16ub * "grains from the start of the segment to the chunk's bytes",
    "value" / Int16ub * "what ranks the frame, 0..65535",
    "class_index" / Int8ub * "the class that decided",
    "flags" / Int8ub * "bit 0, in a commit: was sent before it was written; others 0",
    "copy_number" / Int16ub * "of two commits of one frame the newer counts; wraps",
    "payload_crc32" / Int32ub * "of the chunk's bytes, as zlib computes it",
    "length" / Int16ub * "of the chunk's bytes, 0..4096; 0 only in a commit, which then has no chunk",
    "number" / Int8ub * "of the chunk in its frame, from 0; in a commit so many extents stand before this",
    "kind" / Int8ub * "0x33 chunk, 0x66 chunk after which no record fits, 0x3C commit",
)

StoreExtent = Struct(
    "segment" / Int16ub * "where the chunk lies",
    "place" / Int16ub * "grains from the start of that segment to the end of the chunk's record",
    "lap" / Int16ub * "low 16 bits of that segment's erase count",
    "length" / Int16ub * "of the chunk's bytes",
)

StoreMeta = Struct(
    "time" / Int64ub * "when the frame was taken: 1/65536 s since 2000-01-01T00:00:00 UTC",
    "picture_crc32" / Int32ub * "of the whole picture, as zlib computes it",
    "value" / Int16ub * "what ranks the frame, 0..65535",
    "box" / Box * "where the object is",
    "class_index" / Int8ub * "the class that decided",
    "score" / Int8ub * "of that class, 0..255",
    "tag" / Int8ub * "the caller's own",
    "reserved" / Int8ub * "0",
    "model_id" / Bytes(8) * "first 8 bytes of the SHA-256 of the source model",
)

StoreMarks = Struct(
    "reserved" / Int32ub * "0",
    "reserved2" / Int32ub * "0",
    "next_id" / Int32ub * "above every frame id in use at the time; 0 = all are used up",
    "reserved3" / Int32ub * "0",
    "size" / Int16ub * "0..240: so many bytes (StoreMark) stand before this",
    "reserved4" / Int8ub * "0",
    "kind" / Int8ub * "0x55",
)

StoreMark = Struct(
    "frame_id" / Int32ub * "whom it concerns; 0: nobody, the segment was given up",
    "segment" / Int16ub * "where the commit of that frame lies; bit 15: 1 it was sent, 0 it was deleted",
    "lap" / Int16ub * "low 16 bits of that segment's erase count",
)

StoreLog = Struct(
    "number" / Int32ub * "counts the records of the ring, wraps at 2^32",
    "sent_below" / Int32ub * "all records before this number were sent",
    "next_id" / Int32ub * "above every frame id in use at the time; 0 = all are used up",
    "reserved" / Int32ub * "0",
    "size" / Int16ub * "1..240: so many bytes stand before this",
    "reserved2" / Int8ub * "0",
    "kind" / Int8ub * "0x5A",
)

# --- The registry: which format is written where --------------------------------------------------


@dataclass(frozen=True)
class Format:
    """A struct, the prefix of its macros in wire.h, and the document that has its table.

    Macros are PREFIX_FIELD (its offset) and PREFIX_BYTES (the size of all).
    The document marks the table's place: `<!-- begin generated: NAME -->` and
    `<!-- end generated -->`, each on a line of its own.
    """

    name: str
    struct: Construct
    prefix: str
    document: str


@dataclass(frozen=True)
class Constant:
    """A number that both sides must know; becomes a macro."""

    name: str
    value: int
    text: str


FORMATS: tuple[Format, ...] = (
    Format("TmHeader", TmHeader, "FK_TM", ICD),
    Format("Box", Box, "FK_BOX", ICD),
    Format("Decision", Decision, "FK_DECISION", ICD),
    Format("Thumbnail", Thumbnail, "FK_THUMBNAIL", ICD),
    Format("FrameInfo", FrameInfo, "FK_FRAME_INFO", ICD),
    Format("ChunkHeader", ChunkHeader, "FK_CHUNK", ICD),
    Format("Report", Report, "FK_REPORT", ICD),
    Format("PacketTrailer", PacketTrailer, "FK_TRAILER", ICD),
    Format("TcHeader", TcHeader, "FK_TC", ICD),
    Format("Resend", Resend, "FK_RESEND", ICD),
    Format("Delete", Delete, "FK_DELETE", ICD),
    Format("DecisionRecord", DecisionRecord, "FK_DECISION_RECORD", SPEC),
    Format("ThumbnailRecord", ThumbnailRecord, "FK_THUMBNAIL_RECORD", SPEC),
    Format("ReportRecord", ReportRecord, "FK_REPORT_RECORD", SPEC),
    Format("Policy", Policy, "FK_POLICY", SPEC),
    Format("PolicyClass", PolicyClass, "FK_POLICY_CLASS", SPEC),
    Format("PolicyRect", PolicyRect, "FK_POLICY_RECT", SPEC),
    Format("StoreClean", StoreClean, "FK_STORE_CLEAN", SPEC),
    Format("StoreChunk", StoreChunk, "FK_STORE_CHUNK", SPEC),
    Format("StoreExtent", StoreExtent, "FK_STORE_EXTENT", SPEC),
    Format("StoreMeta", StoreMeta, "FK_STORE_META", SPEC),
    Format("StoreMarks", StoreMarks, "FK_STORE_MARKS", SPEC),
    Format("StoreMark", StoreMark, "FK_STORE_MARK", SPEC),
    Format("StoreLog", StoreLog, "FK_STORE_LOG", SPEC),
    *(Format(name, struct, prefix, SPEC) for name, struct, prefix in FKM_FORMATS),
)

CONSTANTS: tuple[Constant, ...] = (
    Constant("FK_PACKET_PRIMARY", PACKET_PRIMARY, "bytes of the CCSDS primary header"),
    Constant("FK_PACKET_ID_TM", PACKET_ID_TM, "packet_id without its APID"),
    Constant("FK_PACKET_UNSEGMENTED", SEQUENCE_UNSEGMENTED, "sequence without its count"),
    Constant("FK_PACKET_SEQUENCE_MODULO", SEQUENCE_MODULO, "where the sequence count wraps"),
    Constant("FK_PACKET_PUS", TM_PUS, "PUS-C, time reference status 0"),
    Constant("FK_PACKET_P_FIELD", TM_P_FIELD, "CUC, agency epoch, 4 + 2 bytes"),
    Constant("FK_PACKET_SERVICE", SERVICE, "of every packet"),
    Constant("FK_PACKET_SUBTYPE_DECISION", SUBTYPE_DECISION, "a Decision follows"),
    Constant("FK_PACKET_SUBTYPE_FRAME", SUBTYPE_FRAME, "a FrameInfo follows"),
    Constant("FK_PACKET_CHUNK_SIZE_MAX", CHUNK_SIZE_MAX, "largest share of a picture in one packet"),
    Constant("FK_PACKET_SUBTYPE_CHUNK", SUBTYPE_CHUNK, "a ChunkHeader and bytes follow"),
    Constant("FK_PACKET_SUBTYPE_THUMBNAIL", SUBTYPE_THUMBNAIL, "a Thumbnail follows"),
    Constant("FK_PACKET_SUBTYPE_REPORT", SUBTYPE_REPORT, "a Report follows"),
    Constant("FK_PACKET_ID_TC", PACKET_ID_TC, "packet_id of a command without its APID"),
    *(
        Constant(f"FK_PACKET_SUBTYPE_{name.upper()}", subtype, "of a command")
        for name, subtype in COMMANDS.items()
    ),
    Constant("FK_POLICY_MAGIC_VALUE", POLICY_MAGIC, "FKPO"),
    Constant("FK_POLICY_VERSION_VALUE", POLICY_VERSION, "of the policy's layout"),
    Constant("FK_STORE_MAGIC", STORE_MAGIC, "FK"),
    Constant("FK_STORE_VERSION", STORE_VERSION, "of the store's layout"),
    Constant("FK_STORE_KIND_CLEAN", STORE_KIND_CLEAN, "last byte of a record: a StoreClean"),
    Constant("FK_STORE_KIND_CHUNK", STORE_KIND_CHUNK, "a StoreChunk"),
    Constant("FK_STORE_KIND_FULL", STORE_KIND_FULL, "a StoreChunk, nothing follows in its segment"),
    Constant("FK_STORE_KIND_COMMIT", STORE_KIND_COMMIT, "a StoreChunk, with StoreExtents before it"),
    Constant("FK_STORE_KIND_MARKS", STORE_KIND_MARKS, "a StoreMarks, with StoreMark before it"),
    Constant("FK_STORE_KIND_LOG", STORE_KIND_LOG, "a StoreLog, with a record of the ring before it"),
    Constant("FK_STORE_FLAG_SENT", STORE_FLAG_SENT, "of a commit: sent before it was written"),
    Constant("FK_STORE_MARK_SENT", STORE_MARK_SENT, "of a mark's segment: sent, not deleted"),
    Constant("FK_STORE_PLACES_MAX", STORE_PLACES_MAX, "grains of a segment"),
    Constant("FK_FKM_MAGIC_VALUE", FKM_MAGIC, "FKM1"),
    Constant("FK_FKM_VERSION_VALUE", FKM_VERSION, "of the model image's layout"),
    Constant("FK_FKM_SLICE", FKM_SLICE, "bytes of a model image under one CRC-32"),
    Constant("FK_FKM_RECORD", FKM_RECORD, "bytes of an operator"),
    Constant("FK_FKM_NONE", FKM_NONE, "no tensor"),
)
