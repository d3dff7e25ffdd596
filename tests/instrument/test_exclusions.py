"""Which paths are left out: exact ones and whole folders, never a piece of a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.instrument.http.exclusions import Exclusions

segments = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=6)
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(paths)
def test_an_exact_path_excludes_itself(path: str) -> None:
    assert path in Exclusions([path])


@given(paths, segments)
def test_an_exact_path_excludes_nothing_that_begins_or_ends_like_it(path: str, more: str) -> None:
    excluded = Exclusions([path])
    for near in (path + more, f"{path}/", f"{path}/{more}", f"/{more}{path}", path[:-1]):
        assert near == path or near not in excluded


@given(paths, paths)
def test_a_folder_excludes_what_is_in_it_and_nothing_else(folder: str, path: str) -> None:
    excluded = Exclusions([f"{folder}/"])
    assert folder + path in excluded
    assert f"{folder}/" in excluded
    assert folder not in excluded
    assert (path in excluded) == path.startswith(f"{folder}/")


@given(st.lists(paths, max_size=4), st.lists(paths, max_size=4), paths)
def test_several_exclude_what_one_of_them_excludes(exact: list[str], folders: list[str], path: str) -> None:
    given_paths = [*exact, *(f"{folder}/" for folder in folders)]
    assert (path in Exclusions(given_paths)) == any(path in Exclusions([one]) for one in given_paths)


@pytest.mark.parametrize(("path", "excluded"), [
    ("/health", True), ("/healthcare/5", False), ("/health/", False), ("/health/live", False), ("/api/health", False),
    ("/static/", True), ("/static/app.js", True), ("/static", False), ("/statics/x", False), ("/x/static/y", False),
    ("/", True), ("/x", False), ("", False),
])  # fmt: skip
def test_a_piece_of_a_name_is_no_match(path: str, excluded: bool) -> None:
    assert (path in Exclusions(["/health", "/static/", "/"])) == excluded


@pytest.mark.parametrize("paths", ["/health", ["health"], ["/ok", ""]])
def test_what_could_never_match_is_refused(paths: list[str]) -> None:
    with pytest.raises(ValueError, match=r"exclude_paths|begins with a slash"):
        Exclusions(paths)
