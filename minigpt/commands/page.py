"""Writes the page with the four models that runs in a browser: page [DIR], --single FILE, --open.

A folder is for a web server. With no network: `page --open` serves it on this computer until
Ctrl-C, and `page --single FILE.html` writes one file that any browser opens by itself.
"""

import functools
import http.server
import webbrowser
from pathlib import Path

from minigpt.maintain import badges
from minigpt.setup.common import option_parser
from minigpt.store.files import PROGRAM, Problem, as_problem, atomic_write, learner_home

FIRST = "notebooks/en/00_overview.ipynb"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the page, and says nothing of each file."""

    def log_message(self, *told) -> None:
        pass


def links() -> dict[str, str] | None:
    """The addresses that the last card has; None where the repository's name is not set."""
    name, branch = badges.REPOSITORY, badges.BRANCH
    if name.startswith(badges.UNSET):
        return None
    return {"repository": f"{badges.GITHUB}{name}", "name": name.split("/")[1],
            "colab": badges.colab_link(name, branch, FIRST),
            "binder": badges.binder_link(name, branch, FIRST)}  # fmt: skip


def serve(folder: Path, port: int) -> None:
    """Serve a page on this computer alone until Ctrl-C. Problem where the port is taken."""
    Handler.extensions_map[".js"] = "text/javascript"  # some Windows call scripts plain text
    handler = functools.partial(Handler, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise Problem(f"Port {port} cannot be used ({error}): give another with --port.") from None
    # ?local: no service worker, or the browser would show this page after the next one is made.
    address = f"http://127.0.0.1:{server.server_port}/?local"
    with server:
        print(f"The page: {address}\nTo end it, press Ctrl-C.", flush=True)
        webbrowser.open(address)
        server.serve_forever()


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = option_parser("page", __doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="default: .minigpt/page")
    parser.add_argument("--single", type=Path, metavar="FILE.html", help="one file with all in it")
    parser.add_argument("--lang", default="en", help="the language of --single (default: en)")
    parser.add_argument("--open", action="store_true", help="show it in your browser")
    parser.add_argument("--own", action="store_true", help="your own models, where there are some")
    parser.add_argument("--port", type=int, default=0, help="of --open (default: one that is free)")
    args = parser.parse_args(argv)

    from minigpt.page.site import build
    from minigpt.page.writing import check_free, single, write

    folder = (args.folder or learner_home() / "page").expanduser().absolute()
    file = args.single and args.single.expanduser().absolute()
    if to_folder := args.folder or not file:
        check_free(folder)
    with as_problem(FileNotFoundError, ValueError):  # what cannot be used
        files = build(args.own, links())
        data = single(files, args.lang) if file else b""
    if file:
        atomic_write(file, data)
        print(f"{file}: one file of {len(data) / 1e6:.1f} MB, which any browser opens by itself.")
    if to_folder:
        write(folder, files)
        size = sum(map(len, files.values())) / 1e6
        print(f"{folder}: {len(files)} files, {size:.1f} MB. `{PROGRAM} page --open` shows them.")
    if args.open and to_folder:
        serve(folder, args.port)
    elif args.open:
        webbrowser.open(file.as_uri())
    return 0
