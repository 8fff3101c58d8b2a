"""How far a read has followed a provider from page to page; can be handed over."""

from dataclasses import dataclass, field

from extract.http import ProviderError


@dataclass
class Trail:
    """A place between two pages.

    Attributes:
        following: Address or token of the next page; None before the first.
        visited: Those of the pages that were asked for.
        is_begun: Whether there was a page.
        is_handed_over: Whether another process goes on from here.
    """

    following: str | None = None
    visited: set[str] = field(default_factory=set)
    is_begun: bool = False
    is_handed_over: bool = False

    def goes_on(self, host: str) -> bool:
        """Whether there is a page to ask for.

        Raises:
            ProviderError: It was asked for already.
        """
        if not self.following:
            return not self.is_begun
        if self.following in self.visited:
            raise ProviderError(
                f"{host} leads from page to page in a circle: "
                "the next run goes on from here; if it stays so, tell the provider"
            )
        self.visited.add(self.following)
        return True

    def leads_to(self, following: str | None) -> None:
        """Takes in where a page leads."""
        self.is_begun, self.following = True, following
