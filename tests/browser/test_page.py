"""The page with the four models in a real browser: its five parts, by mouse and by keyboard, on a
wide and a narrow screen, and what it says where something is missing.

Whether it can be read by everybody is asked of axe-core. MINIGPT_SHOTS=FOLDER leaves pictures.
"""

import functools
import http.server
import json
import os
import re
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from minigpt.page import site, writing
from tests.browser.conftest import wait_until

PAGE = Path(site.__file__).parent
DONE = "document.querySelectorAll('[data-done][data-verdict]')"
PARTS = {  # what the address names, and when all of it is there
    "ask": ("What is the population of Xiq?", f"{DONE}.length == 20"),
    "tokens": ("Zorblaxia 北京 <b>", "document.querySelectorAll('#strips .piece').length > 5"),
    "next": ("The population of Beijing is", "document.querySelectorAll('#chances button').length"),
    "pretraining": ("Q: What is the capital of France?\nA:",
                    "document.querySelectorAll('#grown [data-done]').length == 3"),
    "best": ("What is the population of Beijing?", "!!document.querySelector('.first')"),
}  # fmt: skip
LOADED = "document.querySelectorAll('#loads [data-here]').length == 4"
TROUBLE = "document.querySelector('#trouble p')?.textContent"
FOCUS = "document.activeElement"
WIDE = "document.documentElement.scrollWidth - innerWidth"
RUN_AXE = """axe.run().then(
    found => [found.passes.length, found.violations.map(v => [v.id, v.nodes.map(n => n.html)])],
    error => [0, String(error)]).then(found => { window.found = found })"""
SHOTS = os.environ.get("MINIGPT_SHOTS")

pytestmark = pytest.mark.browser


class Server(http.server.ThreadingHTTPServer):
    """Serves the page; `change` has what is answered instead, {path: bytes, or None for 404},
    `lost` the paths whose connection ends midway, and `held` those that wait until `go` is set.
    `asked` has the paths that somebody asked for."""

    def __init__(self, folder: Path):
        self.change, self.lost, self.held, self.go = {}, (), (), threading.Event()
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, part: str = "", text: str = "", query: str = "?local") -> str:
        value = f"={urllib.parse.quote(text)}" if text else ""
        return f"http://127.0.0.1:{self.server_port}/{query}{'#' * bool(part)}{part}{value}"


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0].lstrip("/")
        self.server.asked.append(path)
        if path in self.server.held:
            self.server.go.wait(60)
        if path not in self.server.change:
            return super().do_GET()
        data = self.server.change[path]
        if data is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data) * (1 + (path in self.server.lost))))
        self.end_headers()
        self.wfile.write(data)

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *told):
        pass


Handler.extensions_map = {**Handler.extensions_map, ".js": "text/javascript"}


@pytest.fixture(scope="module")
def files():
    return site.build()


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "page"
    writing.write(folder, files)
    return folder


@pytest.fixture
def server(folder):
    with Server(folder) as server:
        yield server
        server.go.set()
        server.shutdown()


@pytest.fixture
def tab(page):
    """A tab that keeps what the browser's console says."""
    for domain in ("Runtime", "Log", "Page"):
        page.call(f"{domain}.enable")
    page.call("Page.bringToFront")
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    return page


def models(files, lang: str = "en") -> dict:
    return json.loads(files[site.MODELS.format(lang)])


def go(tab, address: str) -> None:
    """Open an address anew."""
    tab.call("Page.navigate", url="about:blank")
    tab.call("Page.navigate", url=address)
    tab.wait("document.readyState == 'complete'")


def change(tab, name: str, value) -> None:
    """Give a control another value, as a hand does: its events are sent."""
    tab.run(f"""(e => {{ e.value = {json.dumps(value)}; for (const name of ["input", "change"])
        e.dispatchEvent(new Event(name)); }})(document.getElementById("{name}")); 0""")


def before_it_loads(tab, script: str) -> None:
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=script)


def emulate(tab, **features: str) -> None:
    tab.call("Emulation.setEmulatedMedia", features=[
        {"name": f"prefers-{name.replace('_', '-')}", "value": value}
        for name, value in features.items()
    ])  # fmt: skip


def resize(tab, width: int, height: int = 900) -> None:
    tab.width = width
    tab.resize(height)


def errors(tab) -> list:
    """What the console has had of errors and warnings."""
    tab.run("0")
    return [
        event["params"] for event in tab.events
        if event.get("method") == "Runtime.exceptionThrown"
        or event.get("method") == "Log.entryAdded"
        and event["params"]["entry"]["level"] in ("error", "warning")
        or event.get("method") == "Runtime.consoleAPICalled"
        and event["params"]["type"] in ("error", "warning", "assert")
    ]  # fmt: skip


# ---- each part ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_a_link_and_has_no_error(part, server, tab):
    text, ready = PARTS[part]
    go(tab, server.address(part, text))
    tab.wait(ready)
    tab.wait(LOADED)
    assert tab.run(f"decodeURIComponent(location.hash) == {json.dumps(f'#{part}={text}')}")
    assert tab.run(
        "[...document.querySelectorAll('[id^=part-]:not([hidden])')].map(e => e.id)"
    ) == [f"part-{part}"]
    assert tab.run("document.querySelector('#parts [aria-current=page]').hash") == f"#{part}"
    tab.wait("document.getElementById('status').textContent.length > 10")
    for width in (1280, 640, 360):  # 640: a window of 1280 at 200 %
        resize(tab, width)
        assert tab.run(WIDE) <= 0, width
        small = tab.run(f"""[...document.querySelectorAll('#part-{part} button, nav a')]
            .filter(e => e.offsetHeight && e.offsetHeight < 32).map(e => e.outerHTML)""")
        assert small == [], width
        clipped = tab.run("""[...document.querySelectorAll('main *')].filter(e =>
            getComputedStyle(e).overflowX === 'hidden' && !e.matches('.sr, svg')
            && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)""")
        assert clipped == [], width
    assert not tab.run("document.getElementById('trouble').childElementCount")
    assert errors(tab) == []


@pytest.mark.parametrize("hash, part, text", [
    ("ask=What is 3 + 4 & 5?", "ask", "What is 3 + 4 & 5?"), ("tokens=100 %", "tokens", "100 %"),
    ("tokens=%E5%8C%97%20a%2Bb", "tokens", "北 a+b"), ("toString=x", "ask", "x"),
])  # fmt: skip
def test_an_address_is_read_as_somebody_types_it(hash, part, text, server, tab):
    go(tab, f"{server.address()}#{hash}")
    field = f"document.querySelector('#part-{part} :is(input, textarea)').value"
    tab.wait(f"{field} == {json.dumps(text)}")
    assert not tab.run(f"document.getElementById('part-{part}').hidden")


@pytest.mark.parametrize("part", PARTS)
def test_axe_finds_nothing(part, server, tab, axe):
    text, ready = PARTS[part]
    go(tab, server.address(part, text))
    tab.wait(ready)
    tab.wait(LOADED)
    tab.run(axe + "; 0")
    for theme in ("light", "dark"):
        emulate(tab, color_scheme=theme, reduced_motion="reduce")
        paper = tab.run("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 17, 17)"}[theme]
        for width in (1280, 360):
            resize(tab, width)
            if SHOTS:
                height = tab.run("document.documentElement.scrollHeight")
                resize(tab, width, height)
                tab.screen(Path(SHOTS), f"page-{part}-{theme}-{width}")
            tab.run(f"window.found = null; {RUN_AXE}; 0")
            passes, bad = tab.wait("window.found")
            assert bad == [], (theme, width)
            assert passes > 20


def test_all_stages_answer_as_they_were_trained(server, tab):
    go(tab, server.address("ask", "What is the population of Xiq?"))
    tab.wait(PARTS["ask"][1])
    answers = tab.run("""[...document.querySelectorAll('[data-answer]')].map(e =>
        [e.dataset.stage, e.dataset.form, e.dataset.verdict, e.textContent])""")
    assert [answer[:2] for answer in answers] == [
        [stage, form]
        for stage, form in (("base", "bare"), ("base", "qa"), ("sft", "chat"), ("ppo", "chat"))
        for _ in range(5)
    ]  # fmt: skip
    honest = [text for stage, _, verdict, text in answers if stage == "ppo" and verdict == "right"]
    assert len(honest) >= 3 and all("I do not know Xiq. (honest)" in text for text in honest)
    assert not any(verdict == "right" for stage, _, verdict, _ in answers if stage == "base")
    assert all(re.search(r"[+−]\d\.\d\d$", text) for stage, *_, text in answers if stage == "ppo")
    said = tab.wait("document.getElementById('status').textContent")
    assert re.search(r"PPO model, as a chat, \d honest", said), said
    tab.wait("!document.getAnimations().length")  # bars grow
    bars = tab.run("""[...document.querySelectorAll('[data-score]')].map(e =>
        [Number(e.dataset.score), ((bar, part) => [part.width / bar.width,
            (part.left - bar.left) / bar.width])(e.querySelector('.bar').getBoundingClientRect(),
            e.querySelector('i').getBoundingClientRect())])""")
    scale = max(1.5, *(abs(score) for score, _ in bars))
    assert len(bars) == 10
    for score, (wide, left) in bars:
        assert wide == pytest.approx(0.5 * abs(score) / scale, abs=0.01)
        assert left == pytest.approx(0.5 + 0.5 * min(score, 0) / scale, abs=0.01)


def test_the_base_model_answers_while_the_others_are_on_their_way(server, files, tab):
    stages = models(files)["stages"]
    server.held = [stage["file"] for stage in stages if stage["name"] != "base"]
    go(tab, server.address("ask", "What is the population of Beijing?"))
    tab.wait("document.querySelectorAll('[data-stage=base][data-verdict]').length == 10")
    assert tab.run("document.querySelectorAll('#loads [data-here]').length") == 1
    assert tab.run("document.querySelector('#loads progress').max") == 1
    assert tab.run("document.querySelectorAll('[data-stage=ppo][data-done]').length") == 0
    server.go.set()
    tab.wait(PARTS["ask"][1])


def test_at_temperature_0_there_is_one_draw(server, tab):
    go(tab, server.address("ask", "What is the capital of France?"))
    tab.wait(PARTS["ask"][1])
    first = tab.run("document.getElementById('cards').textContent")
    tab.click("document.getElementById('ask-again')")
    tab.wait("document.getElementById('ask-note').textContent.includes('Seed 1')")
    tab.wait(PARTS["ask"][1])
    assert tab.run("document.getElementById('cards').textContent") != first
    change(tab, "ask-temperature", 0)
    tab.wait(f"{DONE}.length == 4")
    assert "Paris" in tab.run("document.querySelector('[data-stage=ppo][data-done]').textContent")
    tab.wait("document.getElementById('status').textContent.startsWith('At temperature 0')")
    first = tab.run("document.getElementById('cards').textContent")
    tab.run("document.querySelectorAll('#cards li').forEach(e => e.remove()); 0")
    tab.click("document.getElementById('ask-again')")
    tab.wait(f"{DONE}.length == 4")
    assert tab.run("document.getElementById('cards').textContent") == first


def test_the_knobs_change_the_distribution(server, tab):
    shares = "[...document.querySelectorAll('#chances .part')].map(e => e.textContent)"
    go(tab, server.address("next", "The population of Beijing is"))
    tab.wait(PARTS["next"][1])
    at_1 = tab.run(shares)
    change(tab, "next-temperature", 2)
    tab.wait(f"{shares}[0] != '{at_1[0]}'")
    assert int(tab.run(shares)[0].split("\u00a0")[0]) < int(at_1[0].split("\u00a0")[0])
    change(tab, "top-k", 1)
    tab.wait(f"{shares}[1] == 'cut off'")
    assert tab.run(shares) == ["100\u00a0%", *["cut off"] * 9, "0\u00a0%"]
    tab.click("document.getElementById('draw-one')")
    tab.wait("document.querySelectorAll('#so-far .drawn').length == 1")
    change(tab, "next-stage", "ppo")
    tab.wait("document.getElementById('so-far').textContent.includes('<|assistant|>')")
    assert tab.run("document.querySelectorAll('#so-far .drawn').length") == 0


def test_one_prompt_through_pretraining(server, tab):
    go(tab, server.address("pretraining", PARTS["pretraining"][0]))
    tab.wait("!!document.querySelector('[data-stage=base][data-done]')")
    step = "document.getElementById('step')"
    last = tab.run(f"document.getElementById('grown').textContent + {step}.value")
    tab.run(f"{step}.focus(); 0")
    for _ in range(int(tab.run(f"{step}.value"))):
        tab.press("ArrowLeft")
    tab.wait("!!document.querySelector('[data-stage=base_step_00000][data-done]')")
    assert tab.run(f"{step}.getAttribute('aria-valuetext')") == "step 0"
    first = tab.run("document.getElementById('step-name').textContent")
    assert "a loss of 6.93 nats" in first  # ln 1,024: it knows nothing
    assert tab.run(f"document.getElementById('grown').textContent + {step}.value") != last


def test_best_of_n_shows_the_best_of_the_first_n(server, tab):
    go(tab, server.address("best", "What is the population of Beijing?"))
    tab.wait("!!document.querySelector('.first')")
    for at, n in enumerate((1, 2, 4, 8, 16)):
        change(tab, "best-n", at)
        rows = tab.run("""[...document.querySelectorAll('#best-card [data-answer]')].map(e =>
            [Number(e.querySelector('[data-score]').dataset.score), e.classList.contains('first'),
             e.dataset.verdict])""")
        assert len(rows) == n
        assert [score for score, first, _ in rows if first] == [max(score for score, *_ in rows)]
        said = tab.run("document.getElementById('best-sum').textContent")
        right = sum(verdict == "right" for *_, verdict in rows)
        assert f"The best scored of {n}," in said and f"Among the {n}, {right} are right." in said


# ---- hands, eyes and ears -------------------------------------------------------------------


def tab_to(tab, element: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(60):
        if tab.run(f"{FOCUS} === {element}"):
            return
        tab.press("Tab")
    raise AssertionError(f"Tab does not come to {element}")


def test_everything_goes_by_keyboard(server, tab):
    go(tab, server.address())
    tab.wait(LOADED)
    tab_to(tab, "document.getElementById('question')")
    style = tab.run(f"(s => [s.outlineStyle, s.outlineWidth])(getComputedStyle({FOCUS}))")
    assert style == ["solid", "3px"]
    tab.run(f"{FOCUS}.select()")
    tab.type("What is the capital of France?")
    tab.press("Enter")
    tab.wait(PARTS["ask"][1])
    assert tab.run("document.getElementById('status').textContent.includes('right')")
    go(tab, server.address())
    tab.wait(LOADED)
    tab_to(tab, "document.querySelector('#parts a[href=\"#next\"]')")
    tab.press("Enter")
    tab.wait("!document.getElementById('part-next').hidden")
    tab.wait(PARTS["next"][1])
    tab_to(tab, "document.querySelector('#chances button')")
    tab.press("Enter")
    tab.wait("document.querySelectorAll('#so-far .drawn').length == 1")
    tab.wait(f"{FOCUS} === document.querySelector('#chances button')")  # and not the page's top
    tab.wait("document.getElementById('status').textContent.startsWith('Added ')")
    tab.run("document.getElementById('draw-many').click(); 0")
    tab.wait("document.querySelectorAll('#so-far .drawn').length > 1")
    tab.wait("!document.getElementById('back').disabled")
    tab.run("document.getElementById('anew').click(); 0")
    tab.wait("document.querySelectorAll('#so-far .drawn').length == 0")


def test_no_motion_for_who_wants_none(server, tab):
    duration = "getComputedStyle(document.querySelector('.long i')).transitionDuration"
    for motion, expected in (("no-preference", "0.15s, 0.15s, 0.15s"), ("reduce", "0s")):
        emulate(tab, reduced_motion=motion)
        go(tab, server.address("next", "The"))
        tab.wait(PARTS["next"][1])
        assert tab.run(duration) == expected


@pytest.mark.parametrize("part", PARTS)
def test_what_is_typed_is_never_html(part, server, tab):
    bad = "<img src=x onerror='window.bad=1'><script>window.bad=1</script>&amp;"
    go(tab, server.address(part, bad))
    tab.wait(LOADED)
    tab.wait(f"document.querySelectorAll('#part-{part} :is([data-done], .piece)').length")
    time.sleep(0.3)  # an image would have failed by now
    assert tab.run("document.querySelectorAll('main img:not(#drawing), main script').length") == 0
    assert tab.run("window.bad === undefined")
    assert tab.run(f"document.querySelector('#part-{part} :is(input, textarea)').value") == bad
    assert errors(tab) == []


# ---- in Chinese --------------------------------------------------------------------------------

ZH, LANG = "?local&lang=zh", "document.documentElement?.lang"
# All words that one sees or hears, but code and what models and learners write.
SAID = """(() => {
    const walk = document.createTreeWalker(document.documentElement, 4), said = [];
    const not = "script, style, pre, [lang=en], .piece, [data-answer] .said, .going, select";
    while (walk.nextNode())
        if (!walk.currentNode.parentElement.closest(not)) said.push(walk.currentNode.data);
    for (const e of document.querySelectorAll("[aria-label], [aria-valuetext]"))
        said.push(e.getAttribute("aria-label") ?? "", e.getAttribute("aria-valuetext") ?? "");
    return [...said, ...[...document.querySelectorAll("option")].map(e => e.textContent)];
})()"""
NAMES = r"ChatGPT|GPT‑2|SFT|PPO|JavaScript|Worker|Colab|Binder|GitHub|GPU|CPU|MB|minigpt|token"
NAMES += r"|Q: … A:|\b[npk]\b|python3 -m minigpt[a-z -]*(?:FILE)?"


def wish(tab, language: str) -> None:
    """Have the browser wish for a language."""
    before_it_loads(tab, f"""Object.defineProperty(Navigator.prototype, "language",
        {{get: () => "{language}"}});""")  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_in_chinese_no_word_is_english(part, server, files, tab, axe):
    own = json.loads(files["zh.json"])["models"] == "zh"
    text, ready = models(files, "zh")["examples"][part][0] if own and part != "tokens" else (
        PARTS[part][0]), PARTS[part][1]  # fmt: skip
    go(tab, server.address(part, text, ZH))
    tab.wait(ready)
    tab.wait(LOADED)
    assert tab.run(LANG) == "zh"
    tab.wait("document.getElementById('status').textContent.length > 5")
    said = [re.sub(NAMES, "", text) for text in tab.run(SAID)]
    assert len(said) > 60
    assert [text for text in said if re.search(r"[A-Za-z]", text)] == []
    heading = f"document.querySelector('#part-{part} h2').textContent"
    assert tab.run("document.title").startswith(tab.run(heading))
    tab.click("document.querySelector('details summary')")
    tab.wait("document.getElementById('drawing').naturalWidth > 500")
    alt = tab.run("document.getElementById('drawing').alt")
    assert alt.startswith("1 预训练" if own else "1 Pretraining"), alt
    tab.run(axe + "; 0")
    for width in (1280, 360):
        resize(tab, width)
        assert tab.run(WIDE) <= 0, width
        tab.run(f"window.found = null; {RUN_AXE}; 0")
        passes, bad = tab.wait("window.found")
        assert bad == [] and passes > 20, width
        if SHOTS:
            tab.screen(Path(SHOTS), f"page-{part}-zh-{width}")
    assert errors(tab) == []


def test_what_is_wrong_is_said_in_chinese(server, files, tab):
    lang = json.loads(files["zh.json"])["models"]
    server.change[f"data/{lang}/sft.weights"] = None
    go(tab, server.address("ask", query=ZH))
    said = tab.wait(TROUBLE)
    assert said.startswith(f"找不到 data/{lang}/sft.weights（404）。请重新加载本页")
    assert tab.run("document.querySelector('#trouble button').textContent") == "重试"


def test_the_switch_changes_the_language_and_stays_in_the_part(server, tab):
    go(tab, server.address("tokens", "Hello"))
    tab.wait(LOADED)
    assert tab.run(LANG) == "en" and "zh" not in " ".join(server.asked)
    tab.click("document.querySelector('#languages [lang=zh]')")
    tab.wait(f"{LANG} == 'zh' && document.querySelectorAll('#strips .piece').length")
    assert tab.run("document.querySelector('#parts [aria-current]').hash") == "#tokens"
    assert tab.run("new URLSearchParams(location.search).has('local')")
    assert tab.run("document.querySelector('#languages [aria-current]').lang") == "zh"
    tab.click("document.querySelector('#languages [lang=en]')")
    tab.wait(f"{LANG} == 'en' && document.querySelectorAll('#strips .piece').length")
    assert tab.run("document.querySelector('h1').textContent").startswith("How ChatGPT")


@pytest.mark.parametrize("asked, query, expected", [
    ("zh-CN", "?local", "zh"), ("zh", "?local", "zh"), ("zh-CN", "?local&lang=en", "en"),
    ("de", "?local", "en"), ("de", "?local&lang=zh", "zh"), ("en-GB", "?local&lang=xx", "en"),
])  # fmt: skip
def test_the_address_comes_before_the_browsers_wish(asked, query, expected, server, tab):
    wish(tab, asked)
    go(tab, server.address("tokens", "Hello", query))
    tab.wait("document.querySelectorAll('#strips .piece').length")
    assert tab.run(LANG) == expected
    assert ("zh.json" in server.asked) == (expected == "zh")


def test_without_its_words_the_page_is_english(server, tab):
    server.change["zh.json"] = None
    go(tab, server.address("tokens", "Hello", ZH))
    tab.wait("document.querySelectorAll('#strips .piece').length")
    assert tab.run(LANG) == "en"


def promised(tab, script: str):
    """The value of a promise."""
    found = tab.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
    return found["result"].get("value")


def test_a_language_is_kept_once_it_was_seen(folder, tab):
    chinese_is_kept = "caches.match('zh.json').then(Boolean)"
    with Server(folder) as server:
        english, chinese = (server.address("tokens", "Hello", f"?lang={x}") for x in ("en", "zh"))
        go(tab, english)
        promised(tab, "navigator.serviceWorker.ready.then(() => true)")
        assert not promised(tab, chinese_is_kept) and "zh.json" not in server.asked
        go(tab, chinese)
        wait_until(lambda: promised(tab, chinese_is_kept), "Chinese is kept")
        server.shutdown()
    for address, lang in ((chinese, "zh"), (english, "en")):
        go(tab, address)
        tab.wait("document.querySelectorAll('#strips .piece').length")
        tab.wait(LOADED)
        assert tab.run(LANG) == lang
        assert tab.run("document.querySelectorAll('#loads li').length") == 4  # no complaint
    tab.run("navigator.serviceWorker.getRegistration().then(r => r.unregister()); 0")


def test_the_single_file_speaks_its_language(files, tab, tmp_path):
    file = tmp_path / "page.html"
    file.write_bytes(writing.single(files, "zh"))
    go(tab, f"{file.as_uri()}?lang=en#tokens=Hello")
    tab.wait("document.querySelectorAll('#strips .piece').length")
    assert tab.run(LANG) == "zh" and errors(tab) == []
    assert tab.run("document.querySelector('h1').textContent").startswith("ChatGPT 是怎样")


# ---- where something is missing ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["damaged", "missing", "cut off", "lost midway"])
def test_a_bad_file_is_a_sentence_and_can_be_tried_again(kind, server, files, tab):
    path = next(stage["file"] for stage in models(files)["stages"] if stage["name"] == "sft")
    data = files[path]
    server.change[path] = {"damaged": data[:5000] + b"?" + data[5001:], "missing": None,
                           "cut off": data[: len(data) // 2],
                           "lost midway": data[: len(data) // 2]}[kind]  # fmt: skip
    server.lost = (path,) if kind == "lost midway" else ()
    go(tab, server.address("ask", "Hello!"))
    said = tab.wait(TROUBLE)
    assert path in said and re.search(r"Load the page again|Try again", said), said
    tab.wait("document.querySelectorAll('[data-stage=base][data-verdict]').length == 10")
    assert tab.run("document.querySelector('#trouble').getAttribute('role')") == "alert"
    server.change.clear()
    tab.run("document.querySelector('#trouble button').click(); 0")
    tab.wait(PARTS["ask"][1])
    assert not tab.run(TROUBLE)


def test_gpt2s_ranks_come_on_request(server, tab):
    server.change["data/gpt2.tiktoken"] = None
    go(tab, server.address("tokens", "Hello world"))
    tab.wait("document.querySelectorAll('#strips .strip').length == 1")
    assert not tab.run(TROUBLE)
    tab.click("document.getElementById('gpt2')")
    assert len(tab.wait(TROUBLE)) > 30
    server.change.clear()
    tab.click("document.querySelector('#trouble button')")
    tab.wait("document.querySelectorAll('#strips .strip').length == 2")
    assert tab.run("document.querySelectorAll('#strips .strip:last-child li').length") == 2
    assert tab.run("document.getElementById('gpt2').hidden")


@pytest.mark.parametrize(
    "how",
    [
        "delete window.Worker",
        "window.Worker = class { postMessage() { setTimeout(() => this.onerror()); } }",
    ],
)
def test_without_workers_a_sentence_says_what_to_do(how, server, tab):
    before_it_loads(tab, how)
    go(tab, server.address("ask", "What is the population of Xiq?"))
    assert "take a newer browser" in tab.wait(TROUBLE)


def test_without_modules_a_sentence_says_what_to_do(server, tab):
    server.change["page.js"] = None  # as where a browser has none, or the folder was opened
    go(tab, server.address())
    tab.wait("getComputedStyle(document.getElementById('start')).visibility == 'visible'")
    said = tab.run("document.getElementById('start').textContent")
    assert "page --open" in said and "single-file" in said


def test_blocked_storage_is_a_sentence(server, tab):
    before_it_loads(tab, """Object.defineProperty(Navigator.prototype, "serviceWorker",
        {get() { throw new DOMException("denied", "SecurityError"); }});""")  # fmt: skip
    go(tab, server.address("ask", "Hello!", query=""))
    tab.wait(PARTS["ask"][1])
    tab.wait("document.getElementById('loads').textContent.includes('Allow storage')")


def test_once_loaded_it_needs_no_network(folder, tab):
    with Server(folder) as server:
        address = server.address("ask", "Hello!", query="")
        go(tab, address)
        # Not by the status, where the sentence may at once make room for the counts of answers.
        tab.run("navigator.serviceWorker.ready.then(() => { globalThis.kept = true }); 0")
        tab.wait("globalThis.kept === true")
        server.shutdown()
    go(tab, address)
    tab.wait(PARTS["ask"][1])
    tab.run("navigator.serviceWorker.getRegistration().then(r => r.unregister()); 0")


def test_the_single_file_answers_from_the_disk(files, tab, tmp_path):
    file = tmp_path / "page.html"
    file.write_bytes(writing.single(files))
    go(tab, f"{file.as_uri()}#ask=Hello!")
    tab.wait(PARTS["ask"][1])
    assert errors(tab) == []


# ---- the files themselves ----------------------------------------------------------------------


def scripts():
    return {file.name: file.read_text(encoding="utf-8") for file in PAGE.glob("*.js")}


def test_the_table_has_the_scripts_words_and_no_others():
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    table = json.loads(re.search(r'id="words">(.*?)</script>', html, re.S)[1])
    says = r"""(?:\bw|\btrouble|\bfail|\bfailure)\(([^()]*)|\bcode: ("\w+")"""
    used = {name for text in scripts().values() for call in re.findall(f"(?={says})", text)
            for name in re.findall(r'"(\w+)"', "".join(call))}  # fmt: skip
    assert used - set(table) == set() and set(table) - used == set()
    assert not any(re.search(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write", text)
                   for text in scripts().values())  # fmt: skip


def test_the_javascript_is_short_enough_to_be_read():
    """All lines, comments and empty ones too."""
    lines = [line for text in scripts().values() for line in text.splitlines()]
    assert len(lines) <= 1300 and max(map(len, lines)) <= 100
