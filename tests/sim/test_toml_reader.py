"""Lines of keys, found again in the text."""

from framekeep_sim.toml_reader import closest, key_lines


def test_tables_keys_and_dotted_keys_have_lines() -> None:
    text = "a = 1\n\n[b]  # comment\nc.d = 2\n'e f' = 3\n[b.g]\nh = 1\n"
    assert key_lines(text) == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", "c", "d"): 4,
        ("b", "e f"): 5,
        ("b", "g"): 6,
        ("b", "g", "h"): 7,
    }


def test_what_stands_inside_a_value_is_no_key() -> None:
    text = 'a = """\nb = 1\n[c]\n"""\nd = [\n  "e = 1", # f = 2 ]\n  2,\n]\ng = 1\n'
    assert key_lines(text) == {(): 1, ("a",): 1, ("d",): 5, ("g",): 9}


def test_keys_of_an_inline_table_are_on_its_line() -> None:
    assert key_lines("\na = { b = 1, c = 2 }\n")["a", "c"] == 2


def test_the_closest_word_is_offered_and_else_all() -> None:
    assert closest("qualty", ["quality", "mode"]) == 'did you mean "quality"?'
    assert closest("zzz", ["quality", "mode"]) == "known are mode, quality"
    assert closest("zzz", ["mode", "quality", "mode"]) == "known are mode, quality"
