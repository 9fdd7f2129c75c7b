"""What a user can put right: shown as one line, without a traceback."""


class UserError(Exception):
    """Bad input. The text names the file or argument, what is wrong, and what to do."""

    status = 2  # of the command that it ends
