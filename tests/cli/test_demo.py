"""`crossbit demo`, with a quick method in place of the three."""

from __future__ import annotations

import json
import re

import pytest

from crossbit.cli import demo


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "METHODS", {"fake": "The Fake"})
    monkeypatch.setattr(demo, "BEST", "fake")


def test_the_demo_compares_searches_and_reports(invoke, quick, tmp_path) -> None:
    result = invoke("demo", "--bits", 32)
    assert result.exit_code == 0, result.output
    assert re.search(r"The Fake +32 +image → text +0\.\d{3}", result.stdout)
    for text in demo.TEXTS:
        assert f'nearest to the text "{text}"' in result.stdout
    answers = result.stdout.split("nearest to the text")[1]
    assert len(re.findall(r"U\+[0-9A-F]{4}", answers)) == demo.SHOWN
    assert "another font" in result.stdout
    page = (tmp_path / "runs/demo/report.html").read_text()
    assert "data:image/png;base64" in page, "the picture of queries and answers"
    assert "The Fake" in page
    assert (tmp_path / "runs/demo/query.png").read_bytes().startswith(b"\x89PNG")

    model = tmp_path / "runs/demo/fake/model.safetensors"
    fitted = model.stat().st_mtime_ns
    assert invoke("demo", "--bits", 32).exit_code == 0
    assert model.stat().st_mtime_ns == fitted, "what is finished is not fitted again"

    record = json.loads((tmp_path / "runs/demo/fake/run.json").read_text())
    (tmp_path / "runs/demo/fake/run.json").write_text(json.dumps({**record, "version": "0.0.1"}))
    assert invoke("demo", "--bits", 32).exit_code == 0
    assert model.stat().st_mtime_ns > fitted, "newer code fits anew"


def test_the_demo_refuses_bad_bits_before_any_work(invoke, quick, tmp_path) -> None:
    result = invoke("demo", "--bits", 2000)
    assert result.exit_code == 2
    assert "bits must be from 8 to 1024, got 2000" in result.stderr
    assert list(tmp_path.iterdir()) == []
