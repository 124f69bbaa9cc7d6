"""What somebody types to find contacts, as the query that the database takes.

`contacts.search` holds the words of a contact's name, address and company, made by `contact_words` of the migrations.
Here the same is done to what is looked for, so that both are split alike.
"""

import re
import unicodedata
from typing import Final

LONGEST_QUERY: Final = 200
_MARKS: Final = re.compile("[\u0300-\u036f]")
_BETWEEN: Final = re.compile(r"[\s\0-\x1f!-/:-@\[-`{-\x7f]+")


def search_query(q: str) -> str | None:
    """Give what `to_tsquery('simple', …)` finds contacts with that have every word of `q`, or one that begins so.

    Without accents and in lower case; None where `q` has no words.
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", q[:LONGEST_QUERY]))
    # each character by itself, as the database does: a sigma at the end is like any other
    lowered = "".join(character.lower() for character in plain)
    words = [word for word in _BETWEEN.split(lowered) if word]
    return " & ".join(f"{word}:*" for word in words) or None
