"""`crossbit index search`, `stat`, `verify`, `compact`, `approximate`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from crossbit import Codes, hamming, load, open_index
from crossbit.cli.index import app


@pytest.fixture
def built(invoke, finished) -> str:
    result = invoke("index", "build", finished, "--view", "image", "--to", "built")
    assert result.exit_code == 0, result.output
    return "built"


def search(invoke, *arguments) -> list[dict]:
    result = invoke("index", "search", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_text_finds_what_the_runs_own_search_finds(invoke, finished, built) -> None:
    query = ("--text", "a green square", "-k", 3)
    own = json.loads(invoke("search", finished, *query, "--json").stdout)
    assert search(invoke, built, "--model", finished, *query) == own
    shown = invoke("index", "search", built, "--model", finished, *query).stdout
    assert all(item["caption"] in shown for item in own)
    assert "distance" in shown.splitlines()[0]


def test_a_picture_or_a_vector_as_query(invoke, finished, built, tmp_path) -> None:
    Image.new("RGB", (50, 70), (230, 30, 30)).save(tmp_path / "query.png")
    found = search(invoke, built, "--model", finished, "--image", "query.png", "-k", 5)
    assert {tuple(item["labels"]) for item in found} == {("red",)}
    hasher = load(finished)
    np.save("query.npy", hasher.encoders["image"]([str(tmp_path / "query.png")])[0])
    vector = ("--vector", "query.npy", "--from", "image", "-k", 5)
    assert search(invoke, built, "--model", finished, *vector) == found


def test_an_item_or_a_code_as_query(invoke, finished, built) -> None:
    with open_index(built) as index:
        codes, _ = index.get(["item00"])
        everything, _ = index.get(index.search(codes, 100)[0].ids)
    expected = sorted(everything.distance(codes).tolist())
    by_id = search(invoke, built, "--id", "item00", "-k", 54)
    by_code = search(invoke, built, "--code", codes.packed.tobytes().hex(), "-k", 54)
    assert by_id == by_code
    assert [item["distance"] for item in by_id] == expected
    near = search(invoke, built, "--id", "item00", "--radius", 4)
    assert [item["distance"] for item in near] == [d for d in expected if d <= 4]
    assert search(invoke, built, "--id", "item00", "--radius", 4, "-k", 2) == near[:2]
    assert len(search(invoke, built, "--id", "item00")) == 10


def test_where_reads_values_by_their_looks(invoke) -> None:
    values = [2024, "2024", True, "true", 1.5, "x=y"]
    packed = np.zeros((len(values), 1), dtype=np.uint8)
    with open_index("typed", "w") as index:
        index.add(Codes(packed, 8), [{"value": value} for value in values])
    for text, expected in [
        ("2024", 0),
        ('"2024"', 1),
        ("true", 2),
        ('"true"', 3),
        ("1.5", 4),
        ("x=y", 5),
    ]:
        found = search(invoke, "typed", "--code", "00", "--where", f"value={text}")
        assert [item["id"] for item in found] == [expected], text
        assert found[0]["value"] == values[expected]
    assert search(invoke, "typed", "--code", "00", "--where", "value=NaN") == []
    shown = invoke("index", "search", "typed", "--code", "00", "--where", "value=7").stdout
    assert shown == "nothing found\n"
    refused(
        invoke("index", "search", "typed", "--code", "00", "--where", "value"),
        "--where 'value' is no setting; write --where name=value",
    )


def test_a_payload_cannot_pass_for_a_distance(invoke) -> None:
    with open_index("odd", "w") as index:
        payload = [{"distance": -1, "id": "other", "rank": 0, "note": {"a": 1}}]
        index.add(Codes(np.zeros((1, 1), dtype=np.uint8), 8, np.array(["own"])), payload)
    found = search(invoke, "odd", "--code", "01")
    assert found == [{"rank": 1, "distance": 1, "id": "own", "note": {"a": 1}}]
    assert '{"a": 1}' in invoke("index", "search", "odd", "--code", "01").stdout


@pytest.mark.parametrize("options", [("-k", 12), ("--radius", 9)])
def test_reranking_orders_the_nearest_anew(invoke, finished, built, options) -> None:
    query = ("--model", finished, "--text", "a red square loud")
    plain = search(invoke, built, *query, "-k", 12)
    found = search(invoke, built, *query, *options, "--rerank", 12)
    assert {item["id"] for item in found} == {item["id"] for item in plain}
    scores = [item["asymmetric"] for item in found]
    assert scores == sorted(scores)
    hasher = load(finished)
    (output,) = hasher.project(hasher.encoders["text"](["a red square loud"]), "text")
    with open_index(built) as index:
        codes, _ = index.get([item["id"] for item in found])
    own = hasher.encode_raw(["a red square loud"], "text")
    assert [item["distance"] for item in found] == codes.distance(own).tolist()
    differs = codes.unpack().astype(bool) != (output > 0)
    assert np.allclose(scores, (differs * abs(output)).sum(axis=1), atol=1e-5)


def test_codes_of_another_model_are_not_compared(invoke, built, table) -> None:
    other = ("fit", table, "--method", "fake", "--bits", 16, "--seed", 9, "--out", "other")
    assert invoke(*other).exit_code == 0
    for query in ("--text", "a red square"), ("--id", "item00"):
        result = invoke("index", "search", built, "--model", "other", *query)
        refused(result, "their distances mean nothing")


def test_queries_that_make_no_sense(invoke, finished, built) -> None:
    model = ("--model", finished)
    for arguments, message in [
        ((), "give one query: --text, --image, --vector, --id or --code"),
        (("--id", "a", "--code", "00"), "give one query"),
        (("--text", "red"), "a text needs the --model that made the index to code it"),
        ((*model, "--text", "zebra"), "the model knows no word of 'zebra'"),
        ((*model, "--vector", "v.npy"), "say which view the vector is of: --from image or text"),
        (("--id", "nobody"), "id 'nobody' is not in the index"),
        (("--code", "xyz"), "is not hexadecimal; give two digits per byte"),
        (("--code", ""), "the code has 0 bytes, 16-bit codes have 2"),
        (("--code", "00"), "16-bit codes"),
        (("--code", "0000", "--rerank", 20), "a code has no outputs"),
        ((*model, "--text", "red", "--rerank", 5), "re-ranking 5 items cannot show 10"),
        (("--code", "0000", "--radius", 2, "--approximate"), "is always exact"),
    ]:
        refused(invoke("index", "search", built, *arguments), message)
    refused(invoke("index", "search", "nowhere", "--code", "00"), "there is no index in nowhere")
    refused(invoke("index", "search", "nowhere", "--code", "00"), "with `crossbit index build`")


def test_stat_verify_and_compact(invoke, finished, built, monkeypatch) -> None:
    facts = json.loads(invoke("index", "stat", built, "--json").stdout)
    fingerprint = load(finished).fingerprint
    assert (facts["items"], facts["bits"], facts["ids"]) == (54, 16, "str")
    assert facts["fingerprint"] == fingerprint
    shown = invoke("index", "stat", built).stdout
    assert fingerprint in shown
    assert any(line.split() == ["items", "54"] for line in shown.splitlines())

    result = invoke("index", "verify", built)
    assert (result.exit_code, result.stdout) == (0, "54 items, no problem found\n")
    assert json.loads(invoke("index", "verify", built, "--json").stdout) == []

    query = ("index", "search", built, "--id", "item01", "-k", 60, "--json")
    assert invoke("index", "remove", built, "--id", "item00").exit_code == 0
    before = invoke(*query).stdout
    result = invoke("index", "compact", built)
    assert result.exit_code == 0, result.output
    assert "53 items" in result.stdout
    assert invoke(*query).stdout == before

    with open_index(built) as index:
        monkeypatch.setattr(type(index), "verify", lambda self: ["page 3 is damaged", "row 7 too"])
    result = invoke("index", "verify", built)
    assert (result.exit_code, result.stdout) == (1, "page 3 is damaged\nrow 7 too\n")
    result = invoke("index", "verify", built, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == ["page 3 is damaged", "row 7 too"]


def test_approximate_searches_need_their_structure(invoke, tmp_path) -> None:
    pytest.importorskip("faiss")
    codes = np.random.default_rng(0).integers(0, 256, (2000, 8), dtype=np.uint8)
    np.save("codes.npy", codes)
    assert invoke("index", "build", "--codes", "codes.npy", "--to", "big").exit_code == 0
    query = ("big", "--code", codes[5].tobytes().hex(), "-k", 1)
    assert invoke("index", "search", *query, "--approximate").exit_code == 2
    result = invoke("index", "approximate", "big")
    assert result.exit_code == 0, result.output
    assert "ivf over 2,000 items, recall at 10: " in result.stdout
    assert search(invoke, *query, "--approximate") == search(invoke, *query)
    nearest = hamming.topk(codes[5:6], codes, 1)[1][0, 0]
    assert search(invoke, *query)[0]["id"] == nearest


@pytest.mark.parametrize("name", [command.name for command in app.registered_commands])
def test_every_command_explains_itself_with_examples(invoke, name) -> None:
    result = invoke("index", name, "--help")
    assert result.exit_code == 0
    assert f"crossbit index {name}" in result.stdout.partition("Examples:")[2]
