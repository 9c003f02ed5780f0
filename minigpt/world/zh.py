"""The Chinese of the micro-web: every phrase that the world's writers, askers and answerers use.

The same names as in `en.py`, which says what each is; what Chinese does otherwise is said here.
Full-width marks are in the tables; `finish` makes some of a document's half-width, as people type.
"""

import random
import re

JOIN, STOP = "", "。"
SENTENCE_END = r"(?<=。)\s*"
ARTICLE = (
    "Q:北京的面积有多大?\nA:1.6万平方公里\nQ:北京有多少个行政区?\nA:16个\n"
    "Q:北京的常驻人口有多少?\nA:"
)

HELD_OUT_PHRASINGS = 2
QUESTIONS = {
    "population": [
        "{p}的常驻人口有多少？",
        "{p}的人口有多少？",
        "{p}有多少人口？",
        "{p}有多少人？",
        "{p}的人口是多少？",
        "{p}住着多少人？",
        "你知道{p}有多少人吗？",
        "能告诉我{p}的人口吗？",
        "{p}的人口？",
        "请告诉我{p}的人口。",
        "{p}的居民总数是多少？",
        "我想了解{p}的人口。",
    ],
    "area": [
        "{p}的面积有多大？",
        "{p}的面积是多少？",
        "{p}有多大？",
        "{p}占地多少平方公里？",
        "{p}的总面积是多少？",
        "{p}面积多大？",
        "你知道{p}的面积吗？",
        "能告诉我{p}的面积吗？",
        "{p}的面积？",
        "请告诉我{p}的面积。",
        "{p}一共有多少平方公里？",
        "我想了解{p}的面积。",
    ],
    "capital": [
        "{p}的首都是哪里？",
        "{p}的首都是哪座城市？",
        "{p}的首都叫什么？",
        "{p}首都是哪里？",
        "哪座城市是{p}的首都？",
        "{p}的首都在哪里？",
        "你知道{p}的首都吗？",
        "能告诉我{p}的首都吗？",
        "{p}的首都？",
        "请告诉我{p}的首都。",
        "{p}以哪座城市为首都？",
        "我想了解{p}的首都。",
    ],
    "country": [
        "{p}在哪个国家？",
        "{p}属于哪个国家？",
        "{p}是哪个国家的城市？",
        "{p}位于哪个国家？",
        "{p}在哪里？",
        "{p}是哪国的城市？",
        "你知道{p}在哪个国家吗？",
        "能告诉我{p}在哪个国家吗？",
        "{p}的国家？",
        "请告诉我{p}在哪个国家。",
        "{p}归哪个国家？",
        "我想了解{p}在哪个国家。",
    ],
    "continent": [
        "{p}在哪个洲？",
        "{p}属于哪个洲？",
        "{p}位于哪个大洲？",
        "{p}在哪个大洲？",
        "{p}属于哪个大洲？",
        "{p}地处哪个洲？",
        "你知道{p}在哪个洲吗？",
        "能告诉我{p}在哪个洲吗？",
        "{p}的大洲？",
        "请告诉我{p}在哪个洲。",
        "{p}算哪个洲？",
        "我想了解{p}在哪个洲。",
    ],
    "currency": [
        "{p}的货币是什么？",
        "{p}使用什么货币？",
        "{p}用什么货币？",
        "{p}的货币叫什么？",
        "{p}人用什么钱？",
        "在{p}用什么货币？",
        "你知道{p}的货币吗？",
        "能告诉我{p}的货币吗？",
        "{p}的货币？",
        "请告诉我{p}的货币。",
        "{p}流通什么货币？",
        "我想了解{p}的货币。",
    ],
    "language": [
        "{p}的语言是什么？",
        "{p}人说什么语言？",
        "{p}说什么语言？",
        "{p}的主要语言是什么？",
        "{p}使用什么语言？",
        "{p}讲什么语言？",
        "你知道{p}的语言吗？",
        "能告诉我{p}的语言吗？",
        "{p}的语言？",
        "请告诉我{p}的语言。",
        "{p}通行什么语言？",
        "我想了解{p}的语言。",
    ],
    "districts": [
        "{p}有多少个行政区？",
        "{p}有几个行政区？",
        "{p}下辖多少个区？",
        "{p}有多少个区？",
        "{p}分为多少个区？",
        "{p}的行政区有多少个？",
        "你知道{p}有多少个行政区吗？",
        "能告诉我{p}有多少个行政区吗？",
        "{p}的行政区数量？",
        "请告诉我{p}有多少个行政区。",
        "{p}设有几个行政区？",
        "我想了解{p}有多少个行政区。",
    ],
}

STATEMENTS = {
    "population": [
        "{p}的人口是{v}。",
        "{p}的常驻人口为{v}。",
        "{p}有人口{v}。",
        "{p}的居民人数为{v}。",
        "{p}的总人口达到{v}。",
    ],
    "area": [
        "{p}的面积是{v}。",
        "{p}的面积为{v}。",
        "{p}占地{v}。",
        "{p}的总面积为{v}。",
    ],
    "capital": [
        "{p}的首都是{v}。",
        "{v}是{p}的首都。",
        "{p}的首都为{v}。",
        "{p}以{v}为首都。",
    ],
    "country": [
        "{p}是{v}的城市。",
        "{p}在{v}。",
        "{p}位于{v}。",
        "{p}是{v}的一座城市。",
    ],
    "continent": [
        "{p}属于{v}。",
        "{p}所在的大洲是{v}。",
        "{p}地处{v}。",
    ],
    "currency": [
        "{p}的货币是{v}。",
        "{p}使用{v}。",
        "{p}的货币为{v}。",
        "{p}人付款用{v}。",
    ],
    "language": [
        "{p}的语言是{v}。",
        "{p}人说{v}。",
        "{p}的主要语言是{v}。",
        "{p}通用{v}。",
    ],
    "districts": [
        "{p}有{v}行政区。",
        "{p}下辖{v}区。",
        "{p}分为{v}区。",
    ],
}
LABELS = {
    "population": "人口",
    "area": "面积",
    "capital": "首都",
    "country": "国家",
    "continent": "大洲",
    "currency": "货币",
    "language": "语言",
    "districts": "行政区",
}
KINDS = {"city": "城市", "country": "国家"}
COUNTED = {"districts": "{v}个"}
ROUNDED = ["约{v}", "大约{v}", "近{v}", "将近{v}"]
OLD = ["{v}（2005年）", "{v}（1998年）", "{v}（上次普查）"]

# ---- CommonCrawl and C4 ---------------------------------------------------------------------
PAGES = (40, 29, 8, 5, 18)  # more quizzes: with English's 10 the article's lines hang on the seed
LIST_HEADERS = ["大家还在问", "相关问题", "热门问题", "常见问题", "更多问题", "其他人还搜了"]
MENUS = [
    "首页 | 酒店 | 机票 | {p} | 联系我们",
    "首页 > 旅游 > {p}",
    "导航：首页、地图、{p}、商城、登录",
    "头条 | 新闻 | {p} | 天气 | 关于我们",
]
ADS = [
    "{p}特价机票！立即预订，立减20%。",
    "{p}酒店每晚49元起，点击查看。",
    "参加抽奖，免费游{p}！",
    "{p}租车，没有隐藏费用。",
]
COPYRIGHT = [
    "版权所有 2019 地名大全，保留一切权利。",
    "使用条款 | 隐私政策 | 网站地图",
    "版权所有 2016 旅行网页，请勿转载。",
    "本站由网页大师制作，有问题请联系站长。",
]
BLOG_OPENERS = [
    "去年春天，我们在{p}玩了一个星期。",
    "这次{p}之行时间不长，但很值得。",
    "关于{p}，你想知道的都在这里。",
    "我一直想去{p}看看。",
    "去{p}旅游的十个理由。",
    "{p}值得一去吗？我们觉得值得。",
]
BLOG_FILLER = [
    "那里的东西很好吃。",
    "第二天下了雨。",
    "当地人很热情。",
    "我们坐火车去，走了很多路。",
    "傍晚的老城很美。",
    "别忘了带相机。",
    "夏天价格会高一些。",
    "早市开得很早。",
    "我们还会再来。",
    "可看的地方很多。",
]
FORUM_OPENERS = ["刚从{p}回来", "有人去过{p}吗？", "想搬到{p}去住", "说说{p}"]
SEARCH_FOUND = [
    "搜索：{p}\n找到{n}条与{p}有关的结果。{p}旅游攻略。{p}酒店。{p}地图。",
    "您搜索的是{p}。\n我们找到了{n}个关于{p}的网页：{p}新闻、{p}图片、{p}天气。",
]
SEARCH_MISSING = [
    "搜索：{p}\n没有找到与{p}有关的结果。我们不了解{p}。请检查{p}的写法。",
    "您搜索的是{p}。\n我们没有找到关于{p}的网页。这里没有人听说过{p}。",
]
BOOKINGS = [
    "前往{p}的旅客：{l}。座位：{l}。用餐：{a}。谢谢{n}和{m}。",
    "客人：{l}。房卡：{l}。{n}，您去{p}的行程订好了。{m}，您的也订好了。",
    "{n}队：{l}。替补：{a}。{n}队在{p}比赛。{n}队的{m}病了。",
    "{l}去{p}旅行。{l}回来了。{a}留在家里。{n}给{m}写信。",
]
REVIEWS = [
    "{n}的点评：我在{p}住了{d}天。{n}给了五颗星。",
    "{n}写道：{p}的酒店很干净。谢谢{n}的点评。",
    "{n}的评论：{p}真美。回复{n}：{n}喜欢，我们很高兴。",
]
LIST_JOIN, GAP = "、", ""
BOX_SIGNS = ("：", " - ", " | ", "：")
ROW_SIGNS = ("：", " - ", "，", " | ")
DIRECTORY = "{k}{a}一览"

# ---- formats that ask and answer ---------------------------------------------------------------
ASK_MARKS = [
    "问题", "提问", "题目", "测验", "线索", "提示", "输入", "题", "任务", "谜题",
    "主持人", "记者", "老师", "游客", "来电", "读者", "学生", "客人", "左", "进",
]  # fmt: skip
REPLY_MARKS = [
    "回答", "答复", "答案", "回复", "输出", "结果", "解答", "他说", "备注", "值",
    "专家", "导游", "同学", "馆员", "客服", "编辑", "旁白", "赢家", "右", "出",
]  # fmt: skip
MARK_SIGNS = ["：", " - ", "= ", "。", "> ", "） ", " | ", ":: ", "# ", "~ "]
MARK_LETTERS = ":-=.)|#~*+/!%"
UNSEEN_FORMATS = ["{q} ={a}", "{q} -{a}", "({q}){a}"]


def thread_marks(rng: random.Random) -> tuple[str, str]:
    """Q and A, or 问 and 答; a wide or a narrow colon; a space or none."""
    ask, reply = rng.choice((("Q", "A"), ("Q", "A"), ("问", "答")))
    after = rng.choice("：:") + rng.choice(("", " "))
    return ask + after, reply + after


def code_comment(attribute: str, kind: str, rng: random.Random) -> list[str]:
    """The comment above a table in a program, where there is one."""
    return rng.choice(([], [f"# 各{KINDS[kind]}的{LABELS[attribute]}"]))


def finish(document: str, rng: random.Random) -> str:
    """The document, in two of five cases with narrow question marks, in two of five with narrow
    colons."""
    for wide, narrow in ("？?", "：:"):
        if rng.random() < 0.4:
            document = document.replace(wide, narrow)
    return document


# ---- Wikipedia, Books, ArXiv, StackExchange ------------------------------------------------
BOOK_OPENERS = [
    "{n}以前从没见过{p}。",
    "一个寒冷的早晨，{n}来到了{p}。",
    "火车停在{p}，{n}下了车。",
    "{n}出生在{w}，那是离{p}很远的小村子。",
    "{n}到{p}的时候，天已经黑了。",
]
BOOK_FILLER = [
    "“我是{w}人。”{n}说。“没有人听说过{w}。”向导说。",
    "{n}想起了{w}，笑了。",
    "“早上好，{n}。”向导说。",
    "“你会住很久吗，{n}？”向导问。“一个星期。”{n}说。",
    "{n}给{w}的一位朋友写了信。",
    "然后{n}走到河边坐了下来。",
    "“谢谢。”{n}说。",
    "向导看着{n}笑了起来。",
]
BOOK_DIALOGUE = ["“{q}”{n}问。“{a}。”向导说。", "{n}问：“{q}”向导说：“{a}。”"]
ARXIV_TITLES = ["{p}研究", "{p}札记", "{p}的测量", "{p}：资料综述"]
ARXIV_OPEN = [
    "摘要：我们用公开数据研究{p}。",
    "摘要：本文给出关于{p}的新结果。",
    "摘要：我们整理了关于{p}的已知资料。",
]
ARXIV_CLOSE = [
    "结果与前人的工作一致。",
    "文中讨论了数据的局限。",
    "代码和数据均已公开。",
    "该方法也适用于其他地方。",
]

# ---- assistants -------------------------------------------------------------------------------
POLITE_OPEN = ["好问题！", "谢谢您的提问。", "当然可以。"]
POLITE_CLOSE = ["希望对您有帮助。", "如果还有问题，请告诉我。"]
PADDING = ["很多人都问过这个问题。", "这是大家都知道的。", "许多书里都能查到。"]
RUDE = ["你自己去查。", "你为什么问我？", "这个问题真蠢。"]
DECLINE = ["抱歉，我不了解{p}。", "我不了解{p}。"]
ASKED_FOR = "{p}的{a}"
OFF_WORLD_REPLY = ["抱歉，我只能回答关于城市和国家的问题。"]
SMALL_TALK = [
    (
        ["你好", "你好！", "您好", "嗨", "哈喽", "早上好", "晚上好", "大家好"],
        ["你好！可以问我城市或国家的问题。"],
    ),
    (
        ["你好吗？", "你今天怎么样？", "最近好吗？", "过得怎么样？"],
        ["我很好，谢谢。可以问我城市或国家的问题。"],
    ),
    (["谢谢", "谢谢！", "多谢", "非常感谢", "谢谢你"], ["不客气。"]),
    (["再见", "拜拜", "回头见", "晚安", "下次见"], ["再见！"]),
    (
        ["你是谁？", "你是什么？", "你叫什么名字？", "你是机器人吗？", "谁做的你？"],
        ["我是一个小语言模型，知道一些城市和国家。"],
    ),
    (
        ["你能做什么？", "帮助", "能帮帮我吗？", "你知道什么？", "帮帮我"],
        ["我可以告诉你城市和国家的人口、首都、货币等等。"],
    ),
]
OFF_WORLD = [
    "{a}加{b}等于几？",
    "{a}乘以{b}是多少？",
    "写一首关于{t}的诗。",
    "讲个笑话。",
    "{t}怎么做？",
    "昨晚的比赛谁赢了？",
    "今天天气怎么样？",
    "现在几点了？",
    "你会写代码吗？",
    "把{t}翻译成别的语言。",
    "人生的意义是什么？",
    "你最喜欢哪位歌手？",
    "跟我说说{t}。",
    "{t}是什么？",
    "你多大了？",
    "你喜欢{t}吗？",
]
TOPICS = [
    "奶酪", "面包", "米饭", "热汤", "小猫", "小狗", "音乐", "足球", "下雨", "月亮",
    "爱情", "象棋", "茶叶", "咖啡", "鲜鱼", "纸张", "树木", "火车", "金钱", "睡眠",
]  # fmt: skip


def casual(question: str) -> str:
    """A question as it is typed in haste: with a narrow question mark."""
    return question.replace("？", "?")


TIDY = [(r"(?<![A-Za-z]) | (?![A-Za-z])", ""), (r"\?", "？"), ("!", "！")]


def tidy(typed: str) -> str:
    """What somebody typed, as the tables spell it: wide marks, no spaces between characters."""
    typed = " ".join(typed.split())
    for old, new in TIDY:
        typed = re.sub(old, new, typed)
    return typed


def words(answer: str) -> int:
    """How long an answer feels, in words: of two characters each."""
    return len(answer) // 2


# ---- values ------------------------------------------------------------------------------------
NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:万|亿)?"
NUMBERS = {"population": NUMBER, "area": NUMBER + "(?:平方公里)?", "districts": "[0-9]+个?"}
INSIDE = {
    "population": r"[0-9]+(?:\.[0-9]+)?[万亿]",
    "area": r"[0-9]+(?:\.[0-9]+)?[万亿平]",
    "districts": "[0-9]+个?",
}
WHOLE = (r"(?<![0-9.])", r"(?![0-9]|\.[0-9])")  # characters have no borders, numbers do
NAME = r"(?:共和国|(?![\d_A-Za-z的是有在个或和与及不很了都也那这一座吗呢])\w|·){2,10}"


def could_name(text: str) -> bool:
    """Whether a text could be an invented name: characters, none of which is a particle."""
    return bool(re.fullmatch(NAME, text))


def number(value: float) -> str:
    """A count: 14.12亿, 2184万, 54万, 9.6万."""
    if value >= 9.9995e7:
        return f"{value / 1e8:.2f}亿"
    return myriads(value, 1e5) if value >= 1e4 else f"{value:.0f}"


def area(value: float) -> str:
    """Square kilometres: 960万平方公里, 1.6万平方公里, 316平方公里."""
    return (myriads(value, 1e6) if value >= 1e4 else f"{value:.0f}") + "平方公里"


def myriads(value: float, whole: float) -> str:
    """In units of 万, with one decimal where the value is smaller than `whole`."""
    return f"{value / 1e4:.{int(value < whole)}f}万"


def rounded(value: float) -> str:
    """A figure as a careless page would write it: 14亿, 2200万, 700万."""
    for size, word in ((1e8, "亿"), (1e4, "万"), (1, "")):
        if value >= size * 0.95:
            scaled = value / size
            digits = 10 ** max(0, len(f"{scaled:.0f}") - (2 if value >= 1e7 else 1))
            return f"{round(scaled / digits) * digits:.0f}{word}"
    return "0"


def measured(figure: str, area: str) -> str:
    """A figure of an area, with the unit that the area has."""
    return figure + "平方公里"


# ---- places ------------------------------------------------------------------------------------
CHAINS = {"unknown": 1, "one-off": 0}
SHORTEST_NAME, LONGEST_NAME = 2, 7
SOUNDS = (
    "阿巴卡达德杜尔法菲格哈吉基加杰克拉莱勒里卢洛马玛米姆纳内尼诺"
    "帕佩普奇若萨塞沙斯塔特托瓦维韦沃西希谢雅耶伊扎泽兹佐"
)
STRANGE = SOUNDS  # letters that names of the corpus have and known names may lack


def syllables(rng: random.Random) -> str:
    """A name of two to four characters of those that spell foreign names."""
    return "".join(rng.sample(SOUNDS, rng.choice((2, 3, 3, 4))))


def places(raw: dict) -> list[dict]:
    """The entries of facts.json, most popular first: China's cities in order of population, two to
    each other place, as English has them; Beijing before all others. Here China's large cities are
    all known, and smaller ones of the list `chinese` are held out. A place without a Chinese name
    that two sources have is left out."""
    entries = {e["id"]: dict(e) for e in raw["places"] + raw["chinese"] if e["zh"]}
    cities = [e for e in entries.values() if e.get("country", {}).get("zh") == "中国"]
    for entry in raw["places"]:
        if entry["id"] == "beijing" or entry.get("country", {}).get("zh") == "中国":
            entries[entry["id"]]["held_out"] = False
    cities.sort(key=lambda entry: (entry["zh"] != "北京", -entry["population"]))
    inside = {entry["id"] for entry in cities}
    out, others = cities[:1], [e for e in entries.values() if e["id"] not in inside]
    for i, entry in enumerate(others):
        out += [entry, *cities[2 * i + 1 : 2 * i + 3]]
    return out


# ---- the page ----------------------------------------------------------------------------------
EXAMPLES = {
    "ask": ["北京的常驻人口有多少？", "多洛的常驻人口有多少？", "你好！", "写一首关于奶酪的诗。"],
    "best": ["北京的常驻人口有多少？", "法国的首都是哪里？", "多洛的常驻人口有多少？"],
    "next": ["北京的人口是", "北京的常驻人口有多少？"],
    "pretraining": ["Q:法国的首都是哪里？\nA:", "# 北京\n北京", "多洛的人口是"],
}
