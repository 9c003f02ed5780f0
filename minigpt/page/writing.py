"""The page on disk: a folder for a web server, or one file that opens by itself.

A page that was opened from a disk may load no other file. So in the one file scripts are joined,
the worker starts from a text, and the data stand in it in base64.
"""

import base64
import json
import os
import re
import secrets
import shutil
from pathlib import Path

from minigpt.page.site import ENTRY, GPT2, MANIFEST
from minigpt.store.files import Problem, writing

IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.M)
EXPORT = re.compile(r"^export (?:\{[^}]*\};\n|(?=(?:async )?(?:function|class|const|let)\b))", re.M)
POLICY = ("default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; style-src "
          "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'")  # fmt: skip
STYLES = ("cards", "page")  # in this order
START = """
const source = document.getElementById("worker").textContent;
globalThis.minigptSingle = {
  words: WORDS,
  worker: () => new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" }))),
  files: Object.fromEntries([...document.querySelectorAll("script[data-file]")].map(
    (script) => [script.dataset.file, script.textContent])),
};
"""


def joined(files: dict[str, bytes], name: str) -> str:
    """A module and all that it imports as one classic script. ValueError where they are written in
    a way that this cannot join."""
    order: dict[str, str] = {}

    def visit(name: str) -> None:
        text = files[name].decode()
        for needed in IMPORT.findall(text):
            if needed not in order:
                visit(needed)
        order[name] = EXPORT.sub("", IMPORT.sub("", text))

    visit(name)
    text = "".join(order.values())
    if found := re.search(r"^(?:import|export)\b.*|</script|<!--", text, re.M):
        raise ValueError(f"{' or '.join(order)} cannot stand in one script: {found[0]}")
    return f'(() => {{\n"use strict";\n{text}}})();\n'


def single(files: dict[str, bytes], lang: str = "en") -> bytes:
    """The page in one language as one HTML file that asks for no other. ValueError where there are
    no words of that language."""
    known = ["en", *(name[:2] for name in files if re.fullmatch(r"[a-z]{2}\.json", name))]
    if lang not in known:
        raise ValueError(f"there is no page in the language {lang!r}: choose {' or '.join(known)}")
    told = files.get(f"{lang}.json", b'{"lang": "en", "models": "en", "words": {}}').decode()
    needed = (f"data/{json.loads(told)['models']}/", GPT2)

    def encoded(path: str) -> str:
        return base64.b64encode(files[path]).decode()

    scripts = [f'type="text/plain" id="worker">\n{joined(files, "worker.js")}']
    scripts += [f'type="text/plain" data-file="{path}">{encoded(path)}'
                for path in files if path.startswith(needed)]  # fmt: skip
    start = START.replace("WORDS", told.replace("</", r"<\/"))
    scripts += [f">{start}", f'type="module">\n{joined(files, "page.js")}']
    body = "".join(f"<script {script}</script>\n" for script in scripts)
    html, styles = files[ENTRY].decode(), [files[f"{name}.css"].decode() for name in STYLES]
    for old, new in (
        (r"(?<=Content-Security-Policy\" content=\")[^\"]*", POLICY),
        (r'<link rel="manifest"[^>]*>\n', ""),
        (r"(?s)<!-- languages -->.*?<!-- /languages -->\n", ""),
        (r'(<link rel="stylesheet"[^>]*>\n)+', f"<style>\n{''.join(styles)}</style>\n"),
        (r'(?<=")icon.svg(?=")', f"data:image/svg+xml;base64,{encoded('icon.svg')}"),
        (r'<script type="module" src="page.js"></script>\n', ""),
        (r"(?=</body>)", body),
    ):
        html, n = re.subn(old, lambda _found, new=new: new, html)
        if n != 1:
            raise ValueError(f"{ENTRY} has {n} times what is one of the page's parts: {old}")
    return html.encode()


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the page as a folder, whole or not at all; an earlier page there is replaced. Problem
    if the folder holds anything else, NotWritten where the disk refuses."""
    check_free(folder)
    new = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    old = new.with_suffix(".old")
    with writing(folder):
        try:
            for path, data in files.items():
                (new / path).parent.mkdir(parents=True, exist_ok=True)
                (new / path).write_bytes(data)
            if folder.exists():
                os.replace(folder, old)
            os.replace(new, folder)
        finally:
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            for rest in (new, old):
                shutil.rmtree(rest, ignore_errors=True)


def check_free(folder: Path) -> None:
    """Problem unless nothing is there, or a page and no file beside those that it consists of."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    try:
        there -= set(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no page, or a damaged one
    if there or (folder.exists() and not folder.is_dir()) or folder.is_symlink():
        what = f"holds {min(there)}, which is no part of a page" if there else "is no folder"
        raise Problem(f"{folder} {what}, and stays as it is: choose a new folder, or a page's.")
