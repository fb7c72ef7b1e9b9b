"""`crossbit index build`: code items into an index, new or begun before."""

from __future__ import annotations

from crossbit.cli.index.source import CodesPath, Data, Ids, Model, Options, To, View, read_rows
from crossbit.cli.index.writing import write_rows
from crossbit.cli.options import Root, Threads, use_threads

__all__ = ["command"]


def command(
    to: To,
    model: Model = None,
    data: Data = None,
    view: View = None,
    codes: CodesPath = None,
    ids: Ids = None,
    option: Options = None,
    root: Root = None,
    threads: Threads = None,
) -> None:
    """Code items through one view into an index.

    Captions, picture paths and labels are kept with the codes, and the fingerprint of the model.
    Every batch is on disk before the next one begins: after an interruption, run the same command
    again, and items that are there are passed over.

    \b
    Examples:
      crossbit index build runs/glyphs --view image --to indexes/glyphs
      crossbit index build runs/photos more.csv --view image --to indexes/more
      crossbit index build models/clip photos --view image --to milvus://localhost:19530/photos
      crossbit index build --codes codes.npy --ids ids.txt --to indexes/mine
    """
    use_threads(threads)
    write_rows(read_rows(model, data, view, codes, ids, option, root), to)
