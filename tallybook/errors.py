"""What stops a command before it could do its work."""


class CannotRunError(Exception):
    """A command could not run; nothing was wrong with the data.

    Attributes:
        problem: What happened, and where.
        advice: What to do about it; empty when the problem says it.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        """Keeps the two sentences that a person reads."""
        super().__init__(f"{problem}\n{advice}".strip())
        self.problem = problem
        self.advice = advice
