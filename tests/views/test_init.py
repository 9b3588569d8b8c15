"""Every view: a fragment that needs nothing else, traits that are checked, arrays unchanged."""

import base64
import json
import re

import numpy as np
import pytest
import traitlets

from vaelib import views
from vaelib.views import Choice, Place, View, bundle, pack

SCRIPTS = sorted(path.stem for path in views.HERE.glob("*.js"))
ADDRESS = re.compile(r"""https?:|["'(=]\s*//\w|@import|\bfetch\(|XMLHttpRequest|\bimport\(""")
DTYPES = ("float32", "float16", "int8", "uint8", "int32")


class SmallView(View):
    """The least that a view can be."""

    _esm = bundle("core")
    level = Choice("levels")


def small(label="A small view", levels=(1, 2), **data):
    return SmallView({"levels": list(levels), **data}, label)


def state(html):
    """The traits that a page starts from."""
    return json.loads(re.search(r"pageModel\((.*)\);\nrender", html).group(1))


def test_a_view_is_shown_by_a_kernel_and_by_a_page():
    view = small()
    mimes, _ = view._repr_mimebundle_()
    assert set(mimes) == {"text/html", "text/plain", "application/vnd.jupyter.widget-view+json"}
    assert mimes["text/plain"] == "A small view"
    view.level = 2
    assert state(view.html) == {"data": {"levels": [1, 2]}, "label": "A small view", "level": 2}


def test_only_traits_that_a_view_has_are_taken_and_only_their_values():
    with pytest.raises(TypeError, match="SmallView has no depth, start: level"):
        SmallView({"levels": [1]}, "", start=1, depth=2)
    with pytest.raises(traitlets.TraitError, match="level is one of 1, 2, not 3"):
        small().level = 3
    with pytest.raises(traitlets.TraitError, match="level is one of 4, 5, not 3"):
        SmallView({"levels": [4, 5]}, "", level=3)
    with pytest.raises(traitlets.TraitError, match="read-only"):
        small().data = {}


def test_a_choice_starts_at_the_first_and_a_place_at_zero():
    class Chooser(View):
        _esm = bundle("core")
        level, place = Choice("levels"), Place("levels")

    view = Chooser({"levels": [2.0, 4.0]}, "")
    assert (view.level, view.place) == (2.0, 0)
    view.level, view.place = 4, 1  # a page writes 4.0 as 4
    assert (view.level, type(view.level), view.place) == (4.0, float, 1)
    with pytest.raises(traitlets.TraitError, match="place is one of 0, 1, not 2"):
        view.place = 2
    with pytest.raises(traitlets.TraitError, match=r"level is one of 2\.0, 4\.0, not None"):
        Chooser({"levels": [2.0, 4.0]}, "", level=None)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_asks_no_one_for_anything(script):
    # the address of anywidget's documentation in a comment is no request
    source = re.sub(r"^//.*$", "", bundle(script), flags=re.MULTILINE)
    assert not ADDRESS.search(source)
    assert "</script" not in source.lower()
    assert "<!--" not in source
    assert not re.search(r"^import\b", source, flags=re.MULTILINE)
    assert source.count("function pageModel(") <= 1


def test_the_address_pattern_sees_what_it_must_not_miss():
    for bad in ('src="https://a.b/c.js"', "url(//a.b/c)", 'href="//a.b"', "fetch('x')"):
        assert ADDRESS.search(bad)


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!--<script>", "a < b", "ü‘…"])
def test_no_text_in_the_data_can_end_the_script(text):
    html = small(label=text, says=[text]).html
    assert state(html)["data"]["says"] == [text]
    assert state(html)["label"] == text
    _, script = html.split('<script type="module">', 1)
    script, rest = script.split("</script>", 1)
    assert rest == ""
    assert "<!--" not in script


def test_the_title_of_a_page_is_escaped():
    assert "<title>&quot;&gt;&lt;b&gt;</title>" in small(label='"><b>').page()


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_are_packed_as_their_bytes(dtype):
    array = (np.arange(-6, 6).reshape(3, 4) * 1.5).astype(dtype)
    packed = state(small(deep=[{"array": array.T}]).html)["data"]["deep"][0]["array"]
    assert packed["shape"] == [4, 3]
    bits = base64.b64decode(packed["bytes"])
    back = np.frombuffer(bits, np.dtype(dtype).newbyteorder("<")).reshape(packed["shape"])
    np.testing.assert_array_equal(back, array.T)


def test_arrays_that_javascript_cannot_hold_are_refused_by_name():
    with pytest.raises(TypeError, match="not float64"):
        small(array=np.zeros(3))


@pytest.mark.browser
def test_javascript_gets_the_numbers_that_python_packed(load_script):
    page = load_script("core")
    arrays = {d: (np.arange(-6, 6).reshape(3, 4) * 1.5).astype(d) for d in DTYPES}
    packed = pack({"plain": [1, None, "x"], **arrays}, lambda raw: base64.b64encode(raw).decode())
    # A kernel sends a DataView somewhere inside a larger buffer, a page has base64.
    as_sent = """(name, value) => {
      if (name !== "bytes") return value;
      const bytes = Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
      const larger = new Uint8Array(bytes.length + 3);
      larger.set(bytes, 3);
      return new DataView(larger.buffer, 3);
    }"""
    for receive in ("(name, value) => value", as_sent):
        found = page.evaluate(
            f"""(text) => JSON.parse(
              JSON.stringify(unpack(JSON.parse(text, {receive})),
                (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v)))""",
            json.dumps(packed),
        )
        assert found.pop("plain") == [1, None, "x"]
        assert found == {
            dtype: {"values": array.astype(float).ravel().tolist(), "shape": [3, 4]}
            for dtype, array in arrays.items()
        }


@pytest.mark.browser
def test_every_half_precision_number_becomes_its_double(load_script):
    found = load_script("core").evaluate(
        "() => Array.from({ length: 65536 }, (_, bits) => String(halfToFloat(bits)))"
    )
    found = np.array([float(text) for text in found])
    with np.errstate(invalid="ignore"):
        halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(float)
    np.testing.assert_array_equal(found, halves)


@pytest.mark.browser
def test_numbers_are_written_with_commas_and_a_true_minus(load_script):
    texts = {(-2178.5204, 2): "\u22122,178.52", (-0.004, 2): "0.00", (10000, 0): "10,000"}
    page = load_script("core")
    for arguments, text in texts.items():
        assert page.evaluate("a => number(...a)", arguments) == text


@pytest.mark.browser
def test_the_pages_model_tells_of_changes_only(load_script):
    heard = load_script("core").evaluate(
        """() => {
          const model = pageModel({ z: [0, 1] }), heard = [];
          const listen = () => heard.push(model.get("z"));
          model.on("change:z", listen);
          model.on("change:other", () => heard.push("other"));
          model.set("z", [0, 1]);
          model.set("z", [2, 3]);
          model.off("change:z", listen);
          model.set("z", [4, 5]);
          return heard;
        }"""
    )
    assert heard == [[2, 3]]
