"""What the ground makes of a downlink; used instead of asking the flight code what it believes it sent."""

from framekeep_ground.decoder import Decoder
from framekeep_ground.reassembly import Picture


def pictures_of(downlink: bytes) -> dict[int, bytes]:
    """Every picture that is whole on the ground, by frame id."""
    pictures: dict[int, bytes] = {}

    def keep(picture: Picture, data: bytes) -> None:
        pictures[picture.frame_id] = data

    decoder = Decoder(keep)
    decoder.feed(downlink, last=True)
    return pictures
