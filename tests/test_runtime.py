"""Profile, device and folders from the environment, and what is refused."""

from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from vaelib import runtime


@pytest.fixture
def cuda(monkeypatch):
    """Set whether torch finds CUDA, and clear the answer that runtime has cached."""

    def pretend(available):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
        runtime.has_cuda.cache_clear()

    yield pretend
    monkeypatch.undo()
    runtime.has_cuda.cache_clear()


@pytest.mark.parametrize(("available", "name"), [(True, "thesis"), (False, "quick")])
@pytest.mark.parametrize("unset", [None, "", "  "])
def test_the_profile_depends_on_the_device_if_none_is_named(
    monkeypatch, cuda, available, name, unset
):
    cuda(available)
    if unset is None:
        monkeypatch.delenv("VAELIB_PROFILE", raising=False)
    else:
        monkeypatch.setenv("VAELIB_PROFILE", unset)
    assert runtime.profile() == name


@pytest.mark.parametrize("available", [True, False])
@pytest.mark.parametrize(("named", "name"), [("quick", "quick"), (" Thesis ", "thesis")])
def test_a_named_profile_wins(monkeypatch, cuda, available, named, name):
    cuda(available)
    monkeypatch.setenv("VAELIB_PROFILE", named)
    assert runtime.profile() == name


def test_an_unknown_profile_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("VAELIB_PROFILE", "fast")
    with pytest.raises(ValueError, match=r"VAELIB_PROFILE is 'fast', expected one of quick, thesi"):
        runtime.profile()
    with pytest.raises(ValueError, match="VAELIB_PROFILE"):
        runtime.pick(quick=1, thesis=2)


def test_pick_takes_the_value_of_the_profile(monkeypatch):
    monkeypatch.setenv("VAELIB_PROFILE", "quick")
    assert runtime.pick(quick=1, thesis=50) == 1
    monkeypatch.setenv("VAELIB_PROFILE", "thesis")
    assert runtime.pick(quick=1, thesis=50) == 50


def test_the_device_is_cuda_if_torch_finds_it(cuda):
    cuda(True)
    assert runtime.device() == torch.device("cuda")
    assert runtime.device_name() == "Some GPU"
    cuda(False)
    assert runtime.device() == torch.device("cpu")
    assert runtime.device_name().startswith("CPU (")


def test_the_data_folder_is_the_one_named(monkeypatch, tmp_path):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    assert runtime.data_dir() == tmp_path
    monkeypatch.setenv("VAELIB_DATA", "~/pictures")
    assert runtime.data_dir() == Path.home() / "pictures"


@pytest.mark.parametrize("named", [None, "", " "])
def test_the_data_folder_is_in_the_user_cache_if_none_is_named(monkeypatch, tmp_path, named):
    if named is None:
        monkeypatch.delenv("VAELIB_DATA", raising=False)
    else:
        monkeypatch.setenv("VAELIB_DATA", named)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime.sys, "platform", "linux")
    assert runtime.data_dir() == tmp_path / "vaelib" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert runtime.data_dir() == Path.home() / ".cache" / "vaelib" / "data"
    monkeypatch.setattr(runtime.sys, "platform", "darwin")
    assert runtime.data_dir() == Path.home() / "Library" / "Caches" / "vaelib" / "data"
    monkeypatch.setattr(runtime.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert runtime.data_dir() == tmp_path / "local" / "vaelib" / "data"


def test_a_generator_is_reproducible_and_leaves_the_global_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draws = [torch.randn(5, generator=runtime.generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.rand(3), expected)


def test_describe_puts_all_facts_on_one_line(monkeypatch, cuda):
    cuda(False)
    monkeypatch.setenv("VAELIB_PROFILE", "quick")
    text = runtime.describe(data="digits", restarts=200)
    assert text.startswith("profile quick · CPU (")
    assert text.endswith(" · data digits · restarts 200")


@pytest.mark.parametrize("disable", ["", "1"])
def test_a_notebook_shows_a_progress_bar_unless_it_is_disabled(monkeypatch, disable):
    monkeypatch.setenv("TQDM_DISABLE", disable)
    code = "from vaelib import runtime\nwith runtime.progress(3, 'counting') as bar: bar.update(3)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    shown = [out.data for out in notebook.cells[0].outputs if out.output_type == "display_data"]
    widgets = ["application/vnd.jupyter.widget-view+json" in data for data in shown]
    assert any(widgets) == (not disable)
