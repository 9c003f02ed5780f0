"""What all diagrams are made of."""

from dataclasses import dataclass


@dataclass
class Diagram:
    """A picture of an idea: `image/svg+xml` in a notebook, its description elsewhere."""

    title: str
    desc: str
    height: float
    body: str

    @property
    def svg(self) -> str:
        """The picture as a whole SVG element, for a file or for a widget's HTML."""
        return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 520 40"></svg>'

    def __repr__(self) -> str:
        return f"{self.title}. {self.desc}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}
