"""The one exception that stands for a user's mistake, and the one warning."""


class HafnetError(Exception):
    """A user's mistake, told in one sentence that names the value and the rule.

    The command line prints the sentence and ends with exit code 2; there is no traceback.
    """


class HafnetWarning(UserWarning):
    """What a user should know and may leave as it is, in one sentence. The command line prints it and goes on."""
