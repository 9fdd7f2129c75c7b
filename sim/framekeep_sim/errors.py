"""What a user can put right, as opposed to a defect."""


class UserError(Exception):
    """One line: the file (and line) that is wrong, what is wrong, what to do."""
