"""`fk-ground export wireshark`: a dissector in Lua for packets in UDP datagrams, one or more in each."""

from collections.abc import Iterable, Iterator

from framekeep_ground import formats
from framekeep_ground.export_packets import PACKETS, codes_of, plain
from framekeep_ground.layout import Field

_TYPES = {"u8": "uint8", "u16": "uint16", "u32": "uint32", "u48": "uint64", "i8": "int8", "bytes": "bytes"}
_HEAD = """\
-- Dissects the downlink of framekeep: CCSDS space packets, one or more in a UDP datagram.
--   tshark -X lua_script:framekeep.lua -d udp.port==10015,framekeep -r capture.pcap
-- In Wireshark: put this file into the folder of personal Lua plugins, then Analyze > Decode As.
local framekeep = Proto("framekeep", "framekeep downlink")
local fields = framekeep.fields
fields.apid = ProtoField.uint16("framekeep.apid", "apid", base.DEC, nil, 0x7ff)
fields.count = ProtoField.uint16("framekeep.count", "count", base.DEC, nil, 0x3fff)
fields.taken = ProtoField.absolute_time("framekeep.taken", "taken", base.UTC)
"""
_TAIL = """\
local bad_crc = ProtoExpert.new(
  "framekeep.crc16.bad", "CRC does not match", expert.group.CHECKSUM, expert.severity.ERROR)
framekeep.experts = { bad_crc }

local function crc16(range)
  local bytes, crc = range:bytes(), 0xFFFF
  for i = 0, bytes:len() - 1 do
    crc = bit.bxor(crc, bit.lshift(bytes:get_index(i), 8))
    for _ = 1, 8 do
      local carry = bit.band(crc, 0x8000) ~= 0
      crc = bit.band(bit.lshift(crc, 1), 0xFFFF)
      if carry then crc = bit.bxor(crc, 0x1021) end
    end
  end
  return crc
end

-- Rows are {field, offset, size}; those that a short packet does not hold are left out.
local function add(rows, range, tree)
  for _, row in ipairs(rows) do
    if row[2] + row[3] <= range:len() then tree:add(row[1], range(row[2], row[3])) end
  end
end

local function packet(range, info, tree)
  local size, rest = range:len() - 2, nil
  local kind = size >= HEADER and kinds[range(SUBTYPE, 1):uint()] or nil
  tree:add(fields.apid, range(0, 2))
  tree:add(fields.count, range(2, 2))
  add(header, range(0, size), tree)
  if kind then
    local part = range(TIME + 4, 2):uint()
    local taken = NSTime.new(EPOCH + range(TIME, 4):uint(), math.floor(part * 1e9 / 65536))
    tree:add(fields.taken, range(TIME, 6), taken)
    info.cols.info:append(" " .. kind.name)
    tree:append_text(", " .. kind.name)
    rest = range(HEADER, size - HEADER)
    add(kind.rows, rest, tree)
    if kind.bytes and rest:len() > kind.size then
      tree:add(fields.bytes, rest(kind.size, rest:len() - kind.size))
    end
  end
  local check = tree:add(fields.crc16, range(size, 2))
  if crc16(range(0, size)) ~= range(size, 2):uint() then check:add_proto_expert_info(bad_crc) end
end

function framekeep.dissector(buffer, info, root)
  info.cols.protocol = "framekeep"
  info.cols.info = ""
  local at = 0
  while at + PRIMARY < buffer:len() do
    local size = PRIMARY + buffer(at + 4, 2):uint() + 1
    if at + size > buffer:len() or size < PRIMARY + 3 then break end
    packet(buffer(at, size), info, root:add(framekeep, buffer(at, size)))
    at = at + size
  end
  return at
end

DissectorTable.get("udp.port"):add_for_decode_as(framekeep)
"""


def wireshark() -> str:
    """The dissector."""
    header = plain(formats.TmHeader)
    offsets = {field.name: field.offset for field in header}
    sizes = f"{formats.PACKET_PRIMARY}, {formats.TmHeader.sizeof()}"
    lines = [
        _HEAD,
        f"local PRIMARY, HEADER = {sizes} -- bytes\n",
        f"local SUBTYPE, TIME = {offsets['subtype']}, {offsets['time']} -- offsets\n",
        f"local EPOCH = {formats.TM_EPOCH_UNIX} -- of the packets' time, as Unix time\n",
        *_declarations("", [*header, *plain(formats.PacketTrailer)]),
        'fields.bytes = ProtoField.bytes("framekeep.bytes", "bytes")\n',
        "local header = {\n",
        *_rows("", header),
        "}\nlocal kinds = {}\n",
    ]
    for kind in PACKETS:
        name = kind.name.removesuffix("Packet").lower()
        members = plain(kind.data)
        chunk = str(kind.subtype == formats.SUBTYPE_CHUNK).lower()
        lines += _declarations(f"{name}_", members)
        size = kind.data.sizeof()
        lines.append(
            f'kinds[{kind.subtype}] = {{ name = "{name}", size = {size}, bytes = {chunk}, rows = {{\n'
        )
        lines += [*_rows(f"{name}_", members), "} }\n"]
    return "".join([*lines, _TAIL])


def _declarations(prefix: str, members: Iterable[Field]) -> Iterator[str]:
    for field in members:
        name = f"{prefix}{field.name}"
        path = (
            f"framekeep.{name}".replace(f".{prefix}", f".{prefix[:-1]}.") if prefix else f"framekeep.{name}"
        )
        codes = ", ".join(f'[{value}] = "{code}"' for value, code, _ in codes_of(field))
        more = f", base.DEC, {{ {codes} }}" if codes else ""
        kind = _TYPES[field.type]
        yield f'fields.{name} = ProtoField.{kind}("{path}", "{field.name}"{more})\n'


def _rows(prefix: str, members: Iterable[Field]) -> Iterator[str]:
    for field in members:
        yield f"  {{ fields.{prefix}{field.name}, {field.offset}, {field.size} }},\n"
