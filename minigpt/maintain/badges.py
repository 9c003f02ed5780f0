"""Sets the links of Colab, Binder and `git clone` for a fork or a class (badges --repo OWNER/NAME).

The repository's name and branch stand in minigpt/data/repository.txt. This writes them, and the
links that follow from them: in README.md, which then begins with the page on GitHub Pages,
TEACHING.md and the notebooks, whose first code cell fetches the course in Colab. Any such link is
set, whatever it named before, so notebooks that come from elsewhere (a merge) are put right by the
next run. In these files `clone https://github.com/…` is always this course.
"""

import re
from pathlib import Path
from urllib.parse import quote

from minigpt.setup.common import LANGUAGES, option_parser, require_repository
from minigpt.store.files import PROGRAM, ROOT, Problem, atomic_write

ENVIRONMENT = None
UNSET = "OWNER/"  # how the name begins until one is set
NAMES = "minigpt/data/repository.txt"  # where the course is on GitHub, and the branch of its links
REPOSITORY, BRANCH = (ROOT / NAMES).read_text(encoding="utf-8").split()
PAGES = ("README.md", "README.zh.md", "TEACHING.md")
MAIN = "main"
COMMAND = f"{PROGRAM} badges --repo OWNER/NAME"
COLAB = "https://colab.research.google.com/github/"
BINDER = "https://mybinder.org/v2/gh/"
GITHUB = "https://github.com/"

_OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_NAME = r"[A-Za-z0-9._-]*[A-Za-z0-9_-]"  # not the full stop after it
_REPOSITORY = rf"{_OWNER}/{_NAME}"
_BRANCH = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_LINK = re.compile(
    rf"(?P<colab>{re.escape(COLAB)}{_REPOSITORY}/blob/{_BRANCH}/)"
    rf"|(?P<binder>{re.escape(BINDER)}{_REPOSITORY}/{_BRANCH}\?labpath=)"
    rf"|(?P<page>https://{_OWNER}\.github\.io/{_NAME}/)"
    rf"|clone (?P<quiet>-q )?(?:--depth 1 )?(?:--branch {_BRANCH} )?"
    rf"{re.escape(GITHUB)}{_REPOSITORY}(?P<enter> && cd {_NAME})?"
)

LEAD = re.compile(r"(?<=<!-- lead -->\n).*?(?=<!-- /lead -->)", re.DOTALL)  # of README


def colab_link(repository: str, branch: str, path: str) -> str:
    """The address that opens a notebook (its path in the repository) in Colab."""
    return f"{COLAB}{repository}/blob/{branch}/{quote(path)}"


def binder_link(repository: str, branch: str, path: str) -> str:
    """The address that opens a notebook (its path in the repository) in Binder's JupyterLab."""
    return f"{BINDER}{repository}/{branch}?labpath={quote(path)}"


def page_link(repository: str) -> str:
    """The address of the page with the four models, which the workflow `pages` puts there."""
    return "https://{}.github.io/{}/".format(*repository.split("/"))


def lead(repository: str) -> str:
    """What README begins with: what works in the folder alone; or, on GitHub, the page first."""
    said = "The four models in your browser, and the notebooks; in this folder, type:"
    get = f"{PROGRAM} page --open\n"
    if not repository.startswith(UNSET):
        page, get = page_link(repository), f"git clone {GITHUB}{repository} && cd minigpt\n"
        said = f"""**[Ask the four models]({page})** in your browser, with nothing to install, or
[read the notebooks]({page}notebooks/00_overview.html). To run them:"""
    return f"{said}\n\n```\n{get}{PROGRAM}\n```\n"


def read_name(text: str) -> str:
    """OWNER/NAME from what was typed: that, or an address on GitHub. Problem if it is neither."""
    typed = text.strip()
    address = re.fullmatch(
        r"(?:(?:https?://)?(?:www\.)?github\.com/|(?:ssh://)?git@github\.com[:/])([^?#]*).*",
        typed, re.IGNORECASE | re.DOTALL,
    )  # fmt: skip
    if address:
        typed = "/".join(address[1].split("/")[:2])
    elif "://" in typed or "@" in typed:
        raise Problem(f"{text!r} is not on github.com. Colab, Binder and the notebooks' first cell"
                      f"\nfetch the course from there: {COMMAND}")  # fmt: skip
    name = typed.rstrip("/").removesuffix(".git")
    if not re.fullmatch(_REPOSITORY, name):
        raise Problem(f"{text!r} is no name of a repository. It has two parts, as in its address"
                      f"\nhttps://github.com/OWNER/NAME: {COMMAND}")  # fmt: skip
    return name


def read_branch(text: str) -> str:
    """The name of a branch or tag. Problem if a link cannot carry it."""
    if not re.fullmatch(_BRANCH, text):
        raise Problem(f"The branch {text!r} cannot be set: links are made for names of letters, "
                      "digits, '.', '_' and '-'.\nWith a '/' in it, a part of the name would be "
                      "read as a folder.")  # fmt: skip
    return text


def relink(text: str, repository: str, branch: str) -> tuple[str, list[str]]:
    """The text with every link to the course set; and the links in it as they were."""
    before = []

    def link(found: re.Match) -> str:
        before.append(found[0])
        if found["colab"]:
            return colab_link(repository, branch, "")
        if found["binder"]:
            return binder_link(repository, branch, "")
        if found["page"]:
            return page_link(repository)
        quiet = found["quiet"] or ""
        option = f"--branch {branch} " if quiet or branch != MAIN else ""
        enter = f" && cd {repository.split('/')[1]}" if found["enter"] else ""
        return f"clone {quiet}--depth 1 {option}{GITHUB}{repository}{enter}"

    return _LINK.sub(link, text), before


def linked_files(root: Path) -> list[Path]:
    """The pages and notebooks that have links, as far as they are there."""
    folders = [root / "notebooks" / part / lang for part in ("", "source") for lang in LANGUAGES]
    notebooks = [path for folder in folders for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    return [root / name for name in PAGES if (root / name).is_file()] + notebooks


def plan(root: Path, repository: str, branch: str) -> dict[Path, tuple[bytes, str]]:
    """What has to change: file -> (new bytes, what is other). Writes nothing."""
    changes = {}
    for path in [root / NAMES, *linked_files(root)]:
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Problem(f"{path} is not UTF-8 ({error}): save it as that.") from None
        if path == root / NAMES:
            new, what = f"{repository} {branch}\n", f"it says {text.strip()}"
        else:
            new = LEAD.sub(lambda _found: lead(repository), text)
            new, before = relink(new, repository, branch)
            other = sum(relink(link, repository, branch)[0] != link for link in before)
            what = f"{other} of {len(before)} link(s)"
        if new != text:
            changes[path] = new.encode("utf-8"), what
    return changes


def main(argv: list[str]) -> int:
    """Set the links, or check them; 1 where a checked link names another repository or branch."""
    parser = option_parser("badges", __doc__)
    parser.add_argument("--repo", metavar="OWNER/NAME", help="the repository on GitHub")
    parser.add_argument("--branch", help=f"branch or tag that links name (default: {MAIN})")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if a link is other")
    chosen = parser.parse_args(argv)
    require_repository()
    now = (ROOT / NAMES).read_text(encoding="utf-8").split()
    if not chosen.repo and not chosen.check:
        links = f"The links name {now[0]}, branch {now[1]}."
        raise Problem(f"Which repository? {links}\nTo set others: {COMMAND}")
    repository = read_name(chosen.repo) if chosen.repo else now[0]
    branch = read_branch(chosen.branch or (MAIN if chosen.repo else now[1]))
    changes = plan(ROOT, repository, branch)
    if not chosen.check:
        for path, (new, _) in changes.items():
            atomic_write(path, new)
    for path, (_, what) in changes.items():
        verb = "differs" if chosen.check else "set"
        print(f"{path.relative_to(ROOT).as_posix()}: {verb} ({what})")
    if not changes:
        print(f"All links name {repository}, branch {branch}.")
    elif chosen.check:
        print(f"To set them all: {PROGRAM} badges --repo {repository} --branch {branch}")
    else:
        print(f"""{len(changes)} file(s) now name {repository}, branch {branch}. Next:
    git diff --stat
    git commit -am "Links name this repository" && git push
Then open {GITHUB}{repository} and press a badge in its table of notebooks: Colab,
Binder and the notebooks' first cell fetch what is there, and it has to be public.""")
    return int(chosen.check and bool(changes))
