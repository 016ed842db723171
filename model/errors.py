"""The one exception that stands for a user's mistake."""


class HafnetError(Exception):
    """A user's mistake, told in one sentence that names the value and the rule.

    The command line prints the sentence and ends with exit code 2; there is no traceback.
    """
