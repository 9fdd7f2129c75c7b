"""`fk-ground export`: the packet definitions for other ground software, from the same declarations."""

import argparse
import sys
from pathlib import Path

from framekeep_ground import formats
from framekeep_ground.export_cosmos import cosmos
from framekeep_ground.export_kaitai import kaitai
from framekeep_ground.export_wireshark import wireshark
from framekeep_ground.export_xtce import xtce
from framekeep_ground.generate import field_table
from framekeep_ground.output import replacing

EPILOG = """\
examples:
  fk-ground export icd                          the field tables, Markdown
  fk-ground export xtce -o framekeep.xtce       for Yamcs, space_packet_parser, OpenMCT
  fk-ground export cosmos -o framekeep.txt      for OpenC3 COSMOS: targets/FRAMEKEEP/cmd_tlm/
  fk-ground export kaitai -o framekeep.ksy      for kaitai-struct-compiler: a parser in its languages
  fk-ground export wireshark -o framekeep.lua   a dissector; for packets in UDP datagrams to port 10015:
                        tshark -X lua_script:framekeep.lua -d udp.port==10015,framekeep -r capture.pcap
"""


def icd() -> str:
    """The field tables of the wire as one Markdown document."""
    parts = [
        "# framekeep packets, down and up",
        "",
        "All integers are big-endian; offsets and sizes in bytes.",
        "",
    ]
    for entry in formats.FORMATS:
        if entry.document == formats.ICD:
            parts += [f"## {entry.name}", "", field_table(entry), ""]
    return "\n".join(parts)


FORMATS = {"cosmos": cosmos, "icd": icd, "kaitai": kaitai, "wireshark": wireshark, "xtce": xtce}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fk-ground export`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("format", choices=sorted(FORMATS), help="what the other software reads")
    parser.add_argument("-o", "--output", type=Path, help="file to write (default: standard output)")


def run(options: argparse.Namespace) -> int:
    """Write one definition; returns the exit status."""
    text = FORMATS[options.format]()
    if options.output is None:
        sys.stdout.write(text)
        return 0
    with replacing(options.output) as file:
        file.write(text)
    return 0
