"""Clients of a service: one request after the other, or many side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from crossbit.errors import MissingDependencyError
from crossbit.serving import client_models as models
from crossbit.serving.client_models import (
    Call,
    Hit,
    Key,
    Picture,
    SearchResults,
    ServiceError,
    StoredItem,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncClient", "Client", "Hit", "SearchResults", "ServiceError", "StoredItem"]


class Client:
    """A service of `crossbit serve`, one request after the other.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8080``.
    key : str, optional
        The read key, or the write key.
    timeout : float
        Seconds for one request.

    Raises
    ------
    ServiceError
        By every method, if the service did not carry the request out, or did not answer.
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 30.0) -> None:
        self._http = _httpx().Client(**_options(url, key, timeout))

    def search(self, **query: Any) -> SearchResults:
        """Find items by one of `text`, `image` (bytes or a file), `id`, `code` and `vector`.

        Parameters
        ----------
        text : str
        image : bytes, str or Path
            A picture file, or its bytes.
        id : int or str
            An item of the index.
        code : bytes
            A packed code.
        vector : sequence of float
            Features of `view`.
        view : str
            The view that the query is of.
        find : sequence of str
            Views to find items by; all if not given.
        k, radius, rerank : int
        where : dict
            Values that an item's payload must have.
        """
        return models.search_results(self._send(models.search_call(**query)))

    def encode(
        self,
        texts: Sequence[str] | None = None,
        *,
        vectors: Sequence[Sequence[float]] | None = None,
        image: Picture | None = None,
        view: str | None = None,
    ) -> list[bytes]:
        """Return the packed codes of texts, of vectors of a view, or of one picture."""
        return models.codes(self._send(models.encode_call(texts, vectors, image, view)))

    def add(self, view: str, items: Sequence[Mapping[str, Any]]) -> int:
        """Add items, {"id", "payload"} with "text", "vector" or "code"; return how many are there.

        All or none, and durable when it returns. Needs the write key.
        """
        return int(self._send(models.write_call("POST", view, items))["items"])

    def upsert(self, view: str, items: Sequence[Mapping[str, Any]]) -> int:
        """Add items and replace those that are there; return how many are there."""
        return int(self._send(models.write_call("PUT", view, items))["items"])

    def upsert_image(
        self, view: str, id: Key, image: Picture, payload: Mapping[str, Any] | None = None
    ) -> int:
        """Add an item coded from a picture, or replace it; return how many are there."""
        return int(self._send(models.upsert_image_call(view, id, image, payload))["items"])

    def remove(self, view: str, ids: Sequence[Key]) -> int:
        """Remove items; return how many are left."""
        return int(self._send(models.remove_call(view, ids))["items"])

    def item(self, view: str, id: Key) -> StoredItem:
        """Return one stored item."""
        return models.stored_item(self._send(Call("GET", models.address("items", view, id))))

    def thumbnail(self, view: str, id: Key, size: int = 160) -> bytes:
        """Return an item's picture as PNG, its longer side `size` pixels at most."""
        call = Call("GET", models.address("thumbnails", view, id), params={"size": size})
        return bytes(self._response(call).content)

    def info(self) -> dict[str, Any]:
        """Return what the service holds and allows."""
        return dict(self._send(Call("GET", "/v1/index")))

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, call: Call) -> Any:
        return self._response(call).json()

    def _response(self, call: Call) -> httpx.Response:
        try:
            answer = self._http.request(**models.arguments(call))
        except _httpx().HTTPError as error:
            raise models.unreachable(error) from error
        return models.check_response(answer)


class AsyncClient:
    """The same for many requests side by side; every method is that of `Client`, to be awaited."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 30.0) -> None:
        self._http = _httpx().AsyncClient(**_options(url, key, timeout))

    async def search(self, **query: Any) -> SearchResults:
        """See `Client.search`."""
        return models.search_results(await self._send(models.search_call(**query)))

    async def encode(
        self,
        texts: Sequence[str] | None = None,
        *,
        vectors: Sequence[Sequence[float]] | None = None,
        image: Picture | None = None,
        view: str | None = None,
    ) -> list[bytes]:
        """See `Client.encode`."""
        return models.codes(await self._send(models.encode_call(texts, vectors, image, view)))

    async def add(self, view: str, items: Sequence[Mapping[str, Any]]) -> int:
        """See `Client.add`."""
        return int((await self._send(models.write_call("POST", view, items)))["items"])

    async def upsert(self, view: str, items: Sequence[Mapping[str, Any]]) -> int:
        """See `Client.upsert`."""
        return int((await self._send(models.write_call("PUT", view, items)))["items"])

    async def upsert_image(
        self, view: str, id: Key, image: Picture, payload: Mapping[str, Any] | None = None
    ) -> int:
        """See `Client.upsert_image`."""
        return int((await self._send(models.upsert_image_call(view, id, image, payload)))["items"])

    async def remove(self, view: str, ids: Sequence[Key]) -> int:
        """See `Client.remove`."""
        return int((await self._send(models.remove_call(view, ids)))["items"])

    async def item(self, view: str, id: Key) -> StoredItem:
        """See `Client.item`."""
        return models.stored_item(await self._send(Call("GET", models.address("items", view, id))))

    async def thumbnail(self, view: str, id: Key, size: int = 160) -> bytes:
        """See `Client.thumbnail`."""
        call = Call("GET", models.address("thumbnails", view, id), params={"size": size})
        return bytes((await self._response(call)).content)

    async def info(self) -> dict[str, Any]:
        """See `Client.info`."""
        return dict(await self._send(Call("GET", "/v1/index")))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call) -> Any:
        return (await self._response(call)).json()

    async def _response(self, call: Call) -> httpx.Response:
        try:
            answer = await self._http.request(**models.arguments(call))
        except _httpx().HTTPError as error:
            raise models.unreachable(error) from error
        return models.check_response(answer)


def _options(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return {"base_url": url, "headers": headers, "timeout": timeout}


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingDependencyError(
            "the client needs httpx; pip install 'crossbit[serve]' brings it"
        ) from error
    return httpx
