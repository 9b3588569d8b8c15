"""Formulas set while the book is built, so that a page loads no MathJax and nothing jumps.

MathJax runs here, in V8 (the packages django-static-mathjax and mini-racer), and turns each
formula into an SVG of <use> elements. The outlines of the glyphs stand once in each page, before
its text. What was set is kept in _build, by the hash of its TeX. A formula that does not parse
stops the build, with its page and its TeX.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from functools import cached_property
from importlib import metadata
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util.math import get_node_equation_number

PACKAGE = "django-static-mathjax"
PARTS = (
    "startup",
    "core",
    "adaptors/liteDOM",
    "input/tex-full",
    "output/svg",
    "output/svg/fonts/tex",
)
# What the parts look for in a browser, and a document that sets one formula at a time.
BEFORE = """
var window, MathJax = {loader: {load: []}, startup: {typeset: false}};
var setTimeout = () => 0, clearTimeout = () => 0;
var console = {log() {}, warn() {}, error() {}, info() {}};
"""
AFTER = """
const M = MathJax._, adaptor = M.adaptors.liteAdaptor.liteAdaptor();
M.handlers.html_ts.RegisterHTMLHandler(adaptor);
const packages = ["base", "ams", "boldsymbol", "mathtools"];
const tex = new M.input.tex_ts.TeX({packages, formatError: (jax, error) => { throw error; }});
const font = new M.output.svg.fonts.tex_ts.TeXFont();
const svg = new M.output.svg_ts.SVG({fontCache: "local", localID: 0, font});
const page = M.mathjax.mathjax.document("", {InputJax: tex, OutputJax: svg});
function set(formula, display) {
  svg.fontCache.localID = 0;
  try { return adaptor.outerHTML(page.convert(formula, {display, em: 16, ex: 8})); }
  catch (error) { return "!" + error.message; }
}
"""
DEFS = re.compile(r"<defs>(.*?)</defs>", re.S)
GLYPH = re.compile(r'<path id="(MJX-0-[^"]+)" d="([^"]*)"></path>')
USED = re.compile(r'href="#(MJX-0-[^"]+)"')
DOLLARS = re.compile(r"\$([^$]+)\$")


class Setter:
    """Sets formulas, and knows the outline of each glyph in them."""

    def __init__(self, kept: Path):
        self.kept = kept
        try:
            self.formulas, self.glyphs = json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.formulas, self.glyphs = {}, {}

    @cached_property
    def engine(self):
        """V8 with MathJax in it; a third of a second, and not needed where all is kept."""
        from py_mini_racer import MiniRacer

        files = metadata.files(PACKAGE) or []
        core = next((f.locate() for f in files if f.match("es5/core.js")), None)
        if core is None:
            raise ExtensionError(f"{PACKAGE} has no es5/core.js: run `make env`")
        engine = MiniRacer()
        engine.eval(BEFORE)
        for part in PARTS:
            engine.eval((Path(core).parent / f"{part}.js").read_text(encoding="utf-8"))
        engine.eval(AFTER)
        return engine

    def set(self, tex: str, *, display: bool, where: str = "") -> str:
        """An <mjx-container> with the formula; readers who listen get its TeX."""
        key = hashlib.sha256(f"{display} {tex}".encode()).hexdigest()[:24]
        if key not in self.formulas:
            self.formulas[key] = self._set(tex, display, where)
        return self.formulas[key]

    def _set(self, tex: str, display: bool, where: str) -> str:
        found = self.engine.call("set", tex, display)
        if found.startswith("!"):
            raise ExtensionError(f"{where}: {found[1:]} in the formula {tex!r}")
        self.glyphs.update(GLYPH.findall(found))
        label = html.escape(" ".join(tex.split()), quote=True)
        return DEFS.sub("", found).replace('role="img"', f'role="img" aria-label="{label}"', 1)

    def outlines(self, body: str) -> str:
        """The glyphs that a page uses, each once, in an SVG that takes no room."""
        used = sorted(set(USED.findall(body)))
        if not used:
            return ""
        paths = "".join(f'<path id="{name}" d="{self.glyphs[name]}"></path>' for name in used)
        hidden = 'style="position:absolute;width:0;height:0" aria-hidden="true" focusable="false"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {hidden}><defs>{paths}</defs></svg>'

    def keep(self) -> None:
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        self.kept.write_text(json.dumps([self.formulas, self.glyphs]), encoding="utf-8")


def install(app, kept: Path) -> None:
    """Make this the renderer of all mathematics in HTML."""
    app.book_math = Setter(kept)
    app.add_html_math_renderer("built", (inline, None), (block, None))
    app.connect("html-page-context", add_outlines, priority=950)
    app.connect("build-finished", lambda app, problem: app.book_math.keep())


def with_mathematics(app, markup: str) -> str:
    """HTML in which what stands between dollar signs is set."""
    return DOLLARS.sub(lambda m: span(app, html.unescape(m[1]), "a card or a table"), markup)


def span(app, tex: str, where: str) -> str:
    set_ = app.book_math.set(tex, display=False, where=where)
    return f'<span class="math notranslate nohighlight">{set_}</span>'


def inline(self, node: nodes.math) -> None:
    self.body.append(span(self.builder.app, node.astext(), _where(self, node)))
    raise nodes.SkipNode


def block(self, node: nodes.math_block) -> None:
    """A formula on lines of its own, its number beside it."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    where = _where(self, node)
    parts = [node.astext()] if node["nowrap"] else re.split(r"\n\s*\n", node.astext())
    for tex in parts:
        if tex.strip():
            self.body.append(self.builder.app.book_math.set(tex, display=True, where=where))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def add_outlines(app, pagename, templatename, context, doctree) -> None:
    """Put the glyphs of a page before its text; its contents list may use more."""
    if "body" in context:
        used = context["body"] + str(context.get("toc", "")) + str(context.get("title", ""))
        context["body"] = app.book_math.outlines(used) + context["body"]


def _where(translator, node: nodes.Element) -> str:
    return f"{translator.builder.current_docname}:{node.line or '?'}"
