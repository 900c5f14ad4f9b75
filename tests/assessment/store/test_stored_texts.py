"""Texts from the built-in content store."""

import pytest
from umpire_store import NOW

from assessment.errors import ContentUnavailable
from assessment.texts import StoredTexts


async def test_a_stored_text_is_fetched_by_its_owner_alone(store):
    texts = StoredTexts(store.contents)
    its_id = await store.contents.put("me", "å".encode("latin-1"), content_type="text/plain; charset=latin1", now=NOW)
    assert await texts.fetch(its_id, "me") == "å"
    for storage_id, owner in ((its_id, "you"), (its_id, None), ("0" * 32, "me")):
        with pytest.raises(ContentUnavailable, match="no text with this id"):
            await texts.fetch(storage_id, owner)
