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

    Milvus can take many items as files that it imports, which is quicker for plain codes: ?import=
    names a folder that this machine writes and the server reads. Batches are gathered for it,
    500,000 items at a time.

    \b
    Examples:
      crossbit index build runs/glyphs --view image --to indexes/glyphs
      crossbit index build runs/photos more.csv --view image --to indexes/more
      crossbit index build models/clip photos --view image --to milvus://localhost:19530/photos
      crossbit index build --codes codes.npy --ids ids.txt --to indexes/mine
      crossbit index build --codes codes.npy --to "milvus://localhost/mine?import=/mnt/milvus"
    """
    use_threads(threads)
    write_rows(read_rows(model, data, view, codes, ids, option, root), to)
