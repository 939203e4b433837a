import pytest

from farm.text.normalise import normalise


def speak(text: str) -> str:
    return normalise(text, "zh")


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("3-5 倍", "三到五倍"),
        ("3-4级", "三到四级"),
        ("2.5.1版本", "二点五点一版本"),
        ("GPT-4o", "GPT 四 o"),
        ("2026 年", "二零二六年"),
        ("±3%", "正负百分之三"),
        ("10x", "十倍"),
        ("5G", "五 G"),
        ("重量XING2要", "重量XING2要"),
    ],
)
def test_what_a_library_misreads_is_read_right(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("10:30", "十点三十分"),
        ("1/3", "三分之一"),
        ("2024/05/01", "二零二四年五月一日"),
        ("电话13812345678", "电话幺三八幺二三四五六七八"),
        ("-5℃", "零下五摄氏度"),
        ("30km/h", "每小时三十公里"),
    ],
)
def test_what_a_library_reads_right_stays_right(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("1840-1842年的战争", "一八四零到一八四二年的战争"),
        ("鲁迅（1881—1936）", "鲁迅（一八八一到一九三六）"),
        ("他在2024-05-01 10:30:05出生", "他在二零二四年五月一日 十点三十分零五秒出生"),
        ("20世纪90年代，80后，98年5月", "二十世纪九十年代，八零后，九八年五月"),
        ("公元前221年，公元618年", "公元前二二一年，公元六一八年"),
        ("2023-2024学年，2024届", "二零二三到二零二四学年，二零二四届"),
        ("1000年前，5000年文明", "一千年前，五千年文明"),
        ("5月1日-7日，05月01日", "五月一日到七日，五月一日"),
        ("9:00-17:30，2:00，3点5分", "九点到十七点三十分，两点，三点五分"),
    ],
)
def test_dates_and_times(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("¥3.50，$4.20，€1.5亿，HK$50", "三点五元，四点二美元，一点五亿欧元，五十港元"),
        ("3.5万元，100美元，¥100元", "三点五万元，一百美元，一百元"),
        ("3%~5%，3-5%，100%，5‰", "百分之三到百分之五，百分之三到五，百分之百，千分之五"),
        ("1,234,567.89元", "一百二十三万四千五百六十七点八九元"),
        ("100km²，25m²，9.8m/s²，512MB", "一百平方公里，二十五平方米，每二次方秒九点八米，五百一十二 MB"),
        ("5元/斤，100元/kg，60次/分钟", "每斤五元，每千克一百元，每分钟六十次"),
        ("-5~3℃，37.2℃，39°54′", "零下五到三摄氏度，三十七点二摄氏度，三十九度五十四分"),
        ("10多km，50-60岁，3~5天", "十多公里，五十到六十岁，三到五天"),
    ],
)
def test_money_percentages_and_units(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("2个，2米，2岁，2万，2000人", "两个，两米，两岁，两万，两千人"),
        ("12个，20米，22岁，2.5倍", "十二个，二十米，二十二岁，二点五倍"),
        ("第2个，2月2日，2号楼，2年级", "第二个，二月二日，二号楼，二年级"),
    ],
)
def test_two_is_liang_before_measure_words_only(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("第001章，第1-3章，第III卷，Ⅷ级", "第一章，第一到三章，第三卷，八级"),
        ("v1.0.3，V2.0，192.168.1.1", "v 一点零点三，V 二点零，一九二点一六八点一点一"),
        ("MP3，H2O，CO₂，COVID-19，A4纸", "MP 三，H 二 O，CO 二，COVID 十九，A 四纸"),
        ("G2345次，波音747，歼-20，RTX 4090", "G 二三四五次，波音七四七，歼二十，RTX 四零九零"),
        ("3:2，比分3:2，以3-1战胜，5-3班", "三比二，比分三比二，以三比一战胜，五杠三班"),
        ("010-12345678，拨打110，12306", "零幺零，幺二三四五六七八，拨打幺幺零，幺二三零六"),
        ("邮编100084，202室，007", "邮编一零零零八四，二零二室，零零七"),
        ("１２３，５０％，①②", "一百二十三，百分之五十，一、二"),
        ("5-3=2，x²，√2≈1.4，x>3", "五减三等于二，x的平方，根号二约等于一点四，x大于三"),
        ("C++、C#、R&B、18+", "C 加加、C 井、R and B、十八加"),
        ("a.b@c.com，README.md", "a 点 b 艾特 c 点 com，README 点 md"),
        ("12345678901234567890", "一二三四五六七八九零一二三四五六七八九零"),
    ],
)
def test_numbers_that_are_names(shown: str, spoken: str) -> None:
    assert speak(shown) == spoken


@pytest.mark.parametrize(
    "prose",
    ["“他说……”——那人笑道：“是么？”", "B站的K歌，T恤，A股", "二〇二六年，第十二回", "❤ ※ ★ 嗯～～", "", "\n"],
)
def test_what_needs_no_rule_is_left_alone(prose: str) -> None:
    assert speak(prose) == prose
