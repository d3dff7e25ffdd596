"""Who is let in, and what it costs."""

import asyncio
import base64
import threading
from collections.abc import Callable

import bcrypt
import pytest

from exporters.business.web import auth

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4))
USERS = {b"alice": HASH, b"bob": bcrypt.hashpw(b"bob's", bcrypt.gensalt(5))}


def basic(user: bytes, password: bytes) -> bytes:
    return b"Basic " + base64.b64encode(user + b":" + password)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that were compared, in their order."""
    hashes: list[bytes] = []
    real: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def counting(password: bytes, hash_: bytes) -> bool:
        hashes.append(hash_)
        return real(password, hash_)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    return hashes


def let_in(*headers: bytes) -> list[bool]:
    async def main() -> list[bool]:
        passwords = auth.Passwords()
        try:
            return [await passwords.right(USERS, header) for header in headers]
        finally:
            passwords.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic %%%",
        b"Basic " + base64.b64encode(b"alice"),
        b"Bearer " + base64.b64encode(b"alice:right"),
        basic(b"alice", b"wrong"),
        basic(b"alice", b""),
        basic(b"alice", b"right\n"),
        basic(b"alice", b"bob's"),
        basic(b"Alice", b"right"),
        basic(b"", b"right"),
        basic(b"alice", HASH),
        b"Basic " + b"A" * 60000,
    ],
    ids=[
        "empty", "no-credentials", "space", "no-base64", "no-colon", "bearer", "wrong", "no-password", "line-break",
        "of-another", "another-case", "no-user", "the-hash", "long",
    ],
)  # fmt: skip
def test_what_is_wrong_is_not_let_in(header: bytes) -> None:
    assert let_in(header, header) == [False, False]


def test_right_passwords_are_let_in_and_checked_once(checked: list[bytes]) -> None:
    right = basic(b"alice", b"right")
    assert let_in(right, right, right.replace(b"Basic", b"bAsIc"), basic(b"bob", b"bob's"), right) == [True] * 5
    assert checked == [USERS[b"alice"], USERS[b"bob"]]


def test_an_unknown_user_costs_as_much_as_the_costliest_known_one(checked: list[bytes]) -> None:
    assert let_in(basic(b"mallory", b"right"), basic(b"mallory", b"")) == [False, False]
    assert [hash_[:7] for hash_ in checked] == [b"$2b$05$"] * 2


def test_a_changed_password_ends_the_old_one() -> None:
    async def main() -> None:
        passwords = auth.Passwords()
        assert await passwords.right({b"alice": HASH}, basic(b"alice", b"right"))
        assert not await passwords.right({b"alice": USERS[b"bob"]}, basic(b"alice", b"right"))
        assert not await passwords.right({b"bob": HASH}, basic(b"alice", b"right"))
        passwords.close()

    asyncio.run(main())


def test_a_long_password_counts_as_far_as_bcrypt_knows_it() -> None:
    async def main() -> None:
        passwords = auth.Passwords()
        users = {b"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))}
        assert await passwords.right(users, basic(b"alice", b"x" * 90))
        passwords.close()

    asyncio.run(main())


def test_many_at_once_with_one_password_cost_one_check(checked: list[bytes]) -> None:
    async def main() -> list[bool]:
        passwords = auth.Passwords()
        found = await asyncio.gather(*(passwords.right(USERS, basic(b"alice", b"right")) for _ in range(200)))
        passwords.close()
        return found

    assert asyncio.run(main()) == [True] * 200
    assert len(checked) == 1


def test_a_flood_of_passwords_is_refused_and_who_is_known_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(password: bytes, hash_: bytes) -> bool:
        return password == b"right" or (go_on.wait(30) and False)

    monkeypatch.setattr(bcrypt, "checkpw", slow)

    async def main() -> None:
        passwords = auth.Passwords()
        assert await passwords.right(USERS, basic(b"alice", b"right"))
        flood = [asyncio.create_task(passwords.right(USERS, basic(b"alice", b"%d" % n))) for n in range(64)]
        await asyncio.sleep(0)
        with pytest.raises(auth.Busy):
            await passwords.right(USERS, basic(b"alice", b"one more"))
        assert await passwords.right(USERS, basic(b"alice", b"right"))
        go_on.set()
        assert await asyncio.gather(*flood) == [False] * 64
        passwords.close()

    asyncio.run(main())


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[bytes] = []

    def yes(password: bytes, hash_: bytes) -> bool:
        checks.append(password)
        return True

    monkeypatch.setattr(bcrypt, "checkpw", yes)

    async def main() -> None:
        passwords = auth.Passwords()
        for number in range(129):
            assert await passwords.right(USERS, basic(b"alice", b"%d" % number))
        assert await passwords.right(USERS, basic(b"alice", b"128"))
        assert len(checks) == 129
        assert await passwords.right(USERS, basic(b"alice", b"0"))
        assert len(checks) == 130
        passwords.close()

    asyncio.run(main())
