"""The labels of a class: several people's files, how far they agree, and all votes together.

`agreement_table(people)` is the matrix that stays in the file; `merge_class()` shows the upload.
"""

import ipywidgets as widgets

from minigpt.lessons.pretraining.own_text import uploads
from minigpt.show.style import escape
from minigpt.show.table import Table
from minigpt.show.widget import rendered
from minigpt.stages.labels import Label, agreement, labeler_of, merge_labels, read_labels

TEXT = {
    "en": {
        "refused": "Refused: {error}",
        "class": "Files of the class",
        "person": "labeler",
        "count": "labels",
        "agree": "Share of the common pairs that two labelers decided alike",
        "of": "{share:.0%} of {n}",
        "nobody": "No file yet. Choose the files that others exported.",
        "merged": "All votes together, {n} of them: merger.merged.",
    },
}


def agreement_table(people: dict[str, list[Label]], lang: str = "en") -> Table:
    """How often each two people agree on the pairs that both decided, and how many those are."""
    words = TEXT[lang]
    shares, counts = agreement(list(people.values()))
    rows = []
    for i, (name, labels) in enumerate(people.items()):
        pairs = zip(shares[i], counts[i])
        cells = [words["of"].format(share=s, n=n) if n else "" for s, n in pairs]
        rows.append([name, len(labels), *cells])
    return Table([words["person"], words["count"], *people], rows, words["agree"])


class ClassMerger:
    """Upload the files of a class: `people` are those that could be read, `merged` their votes."""

    def __init__(self, encoding, lang: str = "en") -> None:
        self.encoding, self.lang, self.words = encoding, lang, TEXT[lang]
        self.people: dict[str, list[Label]] = {}
        self.upload = widgets.FileUpload(
            accept=".json", multiple=True, description=self.words["class"],
            layout=widgets.Layout(width="auto"),
        )  # fmt: skip
        self.shown = widgets.HTML(escape(self.words["nobody"]))
        self.upload.observe(self.read, "value")
        self.view = widgets.VBox([self.upload, self.shown])

    @property
    def merged(self) -> list[Label]:
        return merge_labels(list(self.people.values()))

    def read(self, change=None) -> None:
        """Read the uploaded files; one that is refused is named, and the others count."""
        refused = []
        for name, data in uploads(self.upload.value):
            try:
                labels = read_labels(data, self.encoding, self.lang, name)
                self.people[f"{labeler_of(data)} ({name})"] = labels
            except ValueError as error:
                refused.append(f"<p><b>{escape(self.words['refused'].format(error=error))}</b></p>")
        table = rendered(agreement_table(self.people, self.lang)) if self.people else ""
        said = self.words["merged"].format(n=len(self.merged)) if self.people else ""
        self.shown.value = table + "".join(refused) + escape(said) or escape(self.words["nobody"])


def merge_class(lang: str = "en") -> ClassMerger:
    """Show the upload of a class's files and their agreement. Returns the widget."""
    from IPython.display import display

    from minigpt.tokenizer import load_tokenizer

    merger = ClassMerger(load_tokenizer(lang), lang)
    display(merger.view)
    return merger
