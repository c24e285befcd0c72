"""Texts to measure with: real sentences, repeated to an exact number of bytes."""

SENTENCES = {
    "ascii": "The quick brown fox jumps over the lazy dog. ",
    "german": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ",
    "russian": "Съешь же ещё этих мягких французских булок, да выпей чаю. ",
    "chinese": "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏。",
    "mixed": (
        "The quick brown fox. Zwölf Boxkämpfer jagen Viktor. Съешь же ещё этих булок. "
        "天地玄黄宇宙洪荒。いろはにほへと。 Το πουλί πετάει. "
    ),
    "emoji": "Done 🎉 and well tested 🧪, große Sache 👍, 你好 🌍. ",
}
NOT_ASCII = [name for name in SENTENCES if name != "ascii"]


def text_of(name: str, size: int) -> str:
    """Make a text of exactly ``size`` bytes in UTF-8; it ends in ASCII where a character would not
    fit."""
    sentence = SENTENCES[name]
    repeated = (sentence * (size // len(sentence.encode()) + 1)).encode()[:size]
    text = repeated.decode(errors="ignore")
    return text + "." * (size - len(text.encode()))
