"""Views: one fragment of HTML that needs nothing else, and arrays that arrive unchanged."""

import base64
import json
import re
import shutil
import subprocess

import ipywidgets
import numpy as np
import pytest

from vaelib import web
from vaelib.web import View, bundle

SCRIPTS = sorted(path.stem for path in web.HERE.glob("*.js"))
VIEWS = [name for name in SCRIPTS if name != "core"]
ADDRESS = re.compile(r"""https?:|["'(=]\s*//\w|@import|\bfetch\(|XMLHttpRequest|\bimport\(""")


def view(
    data=None, *, name="small", label="A small view", script="core", live=ipywidgets.IntSlider
):
    return View(name, script, {} if data is None else data, label=label, live=live)


def embedded(html):
    """The JSON that mount gets."""
    return json.loads(re.search(r"unpack\((.*)\)\);\n\}\)\(\);", html).group(1))


def test_a_view_has_a_face_for_the_page_and_one_for_the_kernel():
    mimes = view()._repr_mimebundle_()
    assert set(mimes) == {"text/html", "text/plain", "application/vnd.jupyter.widget-view+json"}
    assert mimes["text/plain"] == "A small view"
    assert mimes["text/html"] == view().html


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_view_asks_no_one_for_anything(script):
    html = view(script=script).html
    assert not ADDRESS.search(html)
    assert not re.search(r"<(link|img|iframe|script[^>]*\ssrc)\b", html)


def test_the_address_pattern_sees_what_it_must_not_miss():
    for bad in ('src="https://a.b/c.js"', "url(//a.b/c)", 'href="//a.b"', "fetch('x')"):
        assert ADDRESS.search(bad)


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!--<script>", "a < b", "ü‘…"])
def test_no_text_in_the_data_can_end_the_script(text):
    html = view({"says": [text]}).html
    assert embedded(html) == {"says": [text]}
    _, script = html.split("<script>", 1)
    script, rest = script.split("</script>", 1)
    assert rest == ""
    assert "<!--" not in script


def test_the_label_is_escaped():
    html = view(label='"><b>').html
    assert "<b>" not in html
    assert 'aria-label="&quot;&gt;&lt;b&gt;"' in html


def test_the_name_is_escaped_in_the_element_and_in_the_script():
    html = view(name='"</script>').html
    assert 'id="&quot;&lt;/script&gt;"' in html
    assert html.count("</script>") == 1
    assert 'node.id === "\\"\\u003c/script>"' in html


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_bundle_is_a_classic_script(script):
    source = bundle(script)
    assert not re.search(r"^\s*(import|export)\b", source, flags=re.MULTILINE)
    assert "function unpack(" in source
    assert "</script" not in source.lower()
    assert "<!--" not in source


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int32"])
def test_arrays_round_trip(dtype):
    array = (np.arange(-6, 6).reshape(3, 4) * 1.5).astype(dtype)
    packed = embedded(view({"deep": [{"array": array.T}]}).html)["deep"][0]["array"]
    assert packed["shape"] == [4, 3]
    bits = base64.b64decode(packed["base64"])
    back = np.frombuffer(bits, np.dtype(dtype).newbyteorder("<")).reshape(packed["shape"])
    np.testing.assert_array_equal(back, array.T)


def test_arrays_that_javascript_cannot_hold_are_refused_by_name():
    with pytest.raises(TypeError, match="not float64"):
        _ = view({"array": np.zeros(3)}).html


def run_in_node(code, script="core"):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine; the browser tests cover the same code")
    source = bundle(script) + "\n" + code
    result = subprocess.run([node, "-"], input=source, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


@pytest.mark.parametrize("script", VIEWS)
def test_every_script_parses_and_can_be_mounted(script):
    assert run_in_node("console.log(JSON.stringify(typeof mount))", script) == "function"


def test_every_half_of_ieee_754_becomes_its_number():
    code = (
        "const all = Array.from({length: 65536}, (_, bits) => halfToFloat(bits));"
        "console.log(JSON.stringify(all.map((x) => (Number.isFinite(x) ? x : String(x)))));"
    )
    ours = np.array([float(x) for x in run_in_node(code)])
    with np.errstate(invalid="ignore"):
        halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(float)
    np.testing.assert_array_equal(ours, halves)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int32"])
def test_unpack_gives_javascript_the_numbers_that_python_packed(dtype):
    array = (np.arange(-6, 6).reshape(3, 4) * 1.5).astype(dtype)
    packed = json.dumps(web._pack({"plain": [1, None, "x"], "array": array}))
    code = (
        f"const got = unpack({packed}); got.array.values = Array.from(got.array.values);"
        "console.log(JSON.stringify(got));"
    )
    assert run_in_node(code) == {
        "plain": [1, None, "x"],
        "array": {"values": array.ravel().astype(float).tolist(), "shape": [3, 4]},
    }
