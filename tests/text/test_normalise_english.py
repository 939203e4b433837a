import pytest

from farm.text.normalise import normalise


def speak(text: str) -> str:
    return normalise(text, "en")


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("3-5倍", "three to five倍"),
        ("±3%", "plus or minus three percent"),
        ("$4.20", "four dollars and twenty cents"),
        ("XING2", "XING2"),
    ],
)
def test_what_a_library_fails_on_is_read_right(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("May 5, 2024", "May fifth, twenty twenty four"),
        ("5/12/2024", "May twelfth, twenty twenty four"),
        ("It was 1851.", "It was eighteen fifty one."),
        (
            "In 1851 there were 1851 whales.",
            "In eighteen fifty one there were one thousand eight hundred fifty one whales.",
        ),
        ("the 1980s, the '90s", "the nineteen eighties, the nineties"),
        ("1914–1918, 1914-18", "nineteen fourteen to nineteen eighteen, nineteen fourteen to eighteen"),
        ("Sept. 11, 2001", "September eleventh, two thousand one"),
        ("9:00, 9:00 a.m., 10:05, 14:30", "nine o'clock, nine a.m., ten oh five, fourteen thirty"),
    ],
)
def test_dates_years_and_times(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("$1.5 million, $1, $0.99", "one point five million dollars, one dollar, ninety nine cents"),
        ("$100-$200, £2.50", "one hundred dollars to two hundred dollars, two pounds and fifty pence"),
        ("1,234,567 people", "one million two hundred thirty four thousand five hundred sixty seven people"),
        (
            "30 km/h, 1kg, 20°C, 100 m²",
            "thirty kilometers per hour, one kilogram, twenty degrees Celsius, one hundred square meters",
        ),
        ("1/2, 3/4, 2 1/2, 2½", "one half, three quarters, two and one half, two and one half"),
        ("1st, 22nd, 100th", "first, twenty second, one hundredth"),
        ("3-5 times, a 3-2 win, 3:2", "three to five times, a three to two win, three to two"),
        ("5-3=2, 2+2, x > 3", "five minus three equals two, two plus two, x is greater than three"),
    ],
)
def test_amounts(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("Mr. Smith met Dr. Jones, etc.", "Mister Smith met Doctor Jones, et cetera."),
        ("St. Peter's on Main St. in town", "Saint Peter's on Main Street in town"),
        ("No. 5, vol. 2, pp. 10-12", "Number five, volume two, pages ten to twelve"),
        ("CHAPTER XII. Loomings.", "CHAPTER twelve. Loomings."),
        ("Henry VIII and Louis XIV", "Henry the eighth and Louis the fourteenth"),
        ("World War II", "World War two"),
        ("GPT-4o, 5G, 10x, MP3", "GPT four o, five G, ten times, MP three"),
        ("v1.0.3, 2.5.1", "v one point zero point three, two point five point one"),
        ("555-1234", "five five five, one two three four"),
        ("R&B, Q&A, rock & roll", "R and B, Q and A, rock and roll"),
        ("me@example.org", "me at example dot org"),
    ],
)
def test_shorthand(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    "prose",
    [
        "“Call me Ishmael.” Some years ago—never mind how long precisely—I went.",
        "No. We came. I am. I, too.",
        "the U.S.A., J. R. R. Tolkien, Ph.D.",
        "twenty-one well-worn NASA rockets",
        "Malcolm X and the MIX",
        "",
    ],
)
def test_what_needs_no_rule_is_left_alone(prose: str) -> None:
    assert speak(prose) == prose
