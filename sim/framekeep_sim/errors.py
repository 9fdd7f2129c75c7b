"""What a user can put right, as opposed to a defect: the ground's own, so that either's is one line."""

from framekeep_ground.errors import UserError

__all__ = ["UserError"]
