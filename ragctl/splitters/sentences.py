"""Where sentences begin, by rule: punctuation, what stands around it, and a language's abbreviations.

A stop ends a sentence where white space follows and then no small letter, unless it belongs to an
abbreviation, an initial, or a number that is counted ("3. Oktober", "1. First step"). `!` and `?` end one
unless a small letter goes on. The marks of Chinese, Japanese, Hindi, Arabic and other scripts end one
without white space. A blank line and the beginning of a list item always end one; the end of a line does not.
"""

from __future__ import annotations

import re

from ragctl.splitters.boundaries import ITEM, PARAGRAPH

_CLOSERS = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\u300b\u3009\u3011\uff09"
_FULL_STOPS = "\u3002\uff01\uff1f\uff61\u203c\u2047\u2048\u2049"
"""Chinese and Japanese: nothing need follow."""
_OTHER_STOPS = "!?\u2026\u061f\u06d4\u0964\u0965\u0589\u1362\u1367\u1368\u104b\u17d4\u037e"
"""Exclamation, question mark, ellipsis; Arabic, Urdu, Hindi, Armenian, Ethiopic, Burmese, Khmer, Greek."""

_END = re.compile(
    rf"{PARAGRAPH}\s*|{ITEM}"
    rf"|(?P<full>[{_FULL_STOPS}]+[{_CLOSERS}]*)\s*"
    rf"|(?P<other>[.]*[{_OTHER_STOPS}][.{_OTHER_STOPS}]*[{_CLOSERS}]*)(?:\[\d+\])*\s+"
    rf"|(?P<stop>[.]+[{_CLOSERS}]*)(?:\[\d+\])*\s+"
)
_BEFORE_WORD = re.compile(r"[\s(\[{\"'\u201c\u2018\u00ab\u2013\u2014/]")
_LONGEST_WORD = 40

_EVERYWHERE = (
    "al approx art ca cf co corp dept dr ed eds e.g eq et etc ex fig figs i.e inc jr ltd mr mrs ms mt nr no "
    "nos op p pp prof ref refs rev sec sr st tab univ v vol vs viz"
)
"""Abbreviations that stand in texts of any language of Latin script. Case does not count."""
_NUMBERED = frozenset("art c eq fig figs no nos nr p pp sec tab vol ch chap bd str s".split())
"""Those that end no sentence only where a number follows: "no." and "fig." are also words, "p." a letter."""
_ABBREVIATIONS = {
    "english": "adm apr assn aug ave blvd brig bros capt cmdr col comdr dec det dist esp est ext feb fri ft "
    "gen gov hon jan jul jun lt maj mar messrs mon mts nov oct pvt rep reps ret sat sen sens sep sept sgt "
    "sun supt thu thurs tue tues u.s wed",
    "german": "abb abs abt allg anm aufl ausg bsp bzgl bzw ca d.h dgl dipl ebd einschl evtl exkl fa ff frl "
    "gem geb gest ggf hl hrsg inkl insb jh jhd kap lfd lt m.e max mind mio mrd nachf o.ä o.g prof s.o s.u "
    "sog std str tel u.a u.ä u.u usw v.a v.chr n.chr vgl z.b z.t z.zt zzgl",
    "french": "av apr bd boul c.-à-d cap chap cie dr env ets fasc hab j.-c m mm me mgr mlle mlles mme mmes "
    "p.ex s.-à-d ste tél vol",
    "spanish": "admón aprox arq atte av avda cía d dª depto dña dra dres ee.uu excmo gral ing izq lic ntra "
    "núm pág págs pdo prov pza sra sras sres srta sta sto tel ud uds",
    "italian": "arch avv cap cav cfr d.c a.c dott dott.ssa ecc egr geom ing n on pag pagg prof.ssa rag sig "
    "sig.ra sigg spett tel",
    "portuguese": "av cap cia d dra exmo eng gov lda ltda núm pág págs profa sra sras sta sto tel v.exa",
    "dutch": "a.u.b afb b.v bijv blz bv dhr d.w.z drs e.a e.d enz excl fam ing incl ir jl m.b.t mevr mr mw "
    "n.a.v nl o.a o.i.d resp t.a.v t.o.v tel z.g.a.n",
    "swedish": "bl.a ca dvs etc ex f.d f.n fr.o.m inkl kl m.fl m.m osv resp s.k st t.ex t.o.m tel",
    "danish": "bl.a ca dvs etc f.eks fhv fx inkl kl m.fl m.m mv osv pga tlf",
    "norwegian": "bl.a ca dvs e.kr f.eks f.kr inkl kl m.fl m.m mv osv pga tlf",
    "russian": "г гг д др им к кв корп млн млрд напр обл оз п пл пос пр проф р рис руб с см стр сокр т т.д "
    "т.е т.к т.н т.п тыс ул",
    "turkish": "alb apt av bkz bul cad cd çev doç dr gör haz hz m.ö m.s mah mad müh no ord örn prof sf sk "
    "tel vb vd yrd yy",
}
_COUNT_WITH_STOP = frozenset("german danish norwegian finnish hungarian turkish serbian".split())
"""Languages that write an ordinal number with a stop after it."""

_INITIAL = re.compile(r"(?:\w\.)*[^\W\d_]")
_NUMBER = re.compile(r"\d{1,3}")


def sentence_starts(text: str, start: int, end: int, language: str = "english") -> list[int]:
    """Offsets at which the sentences of [start, end) begin, ascending; the first is `start`.

    Args:
        language: as in `chunk.language`; one without abbreviations of its own uses those of all.
    """
    abbreviations = frozenset(f"{_EVERYWHERE} {_ABBREVIATIONS.get(language, '')}".split())
    ordinals = language in _COUNT_WITH_STOP
    starts = [start]
    for found in _END.finditer(text, start, end):
        at = found.end()
        if at >= end or at <= starts[-1]:
            continue
        if found["other"] and text[at].islower():
            continue
        if found["stop"] and not _ends(text, start, found, abbreviations, ordinals):
            continue
        starts.append(at)
    return starts


def _ends(text: str, start: int, found: re.Match[str], abbreviations: frozenset[str], ordinals: bool) -> bool:
    """Does this stop end a sentence?"""
    follows = text[found.end()]
    if follows.islower() or follows in ",;:.":
        return False
    if found["stop"] != ".":
        return True
    low = max(start, found.start() - _LONGEST_WORD)
    word = _BEFORE_WORD.split(text[low : found.start()])[-1]
    if _NUMBER.fullmatch(word):
        return not (ordinals or _opens_line(text, found.start() - len(word)))
    if _is_initial(word):
        return False
    name = word.lower()
    if name in _NUMBERED:
        return not follows.isdigit()
    return name not in abbreviations


def _is_initial(word: str) -> bool:
    """A capital letter by itself, or several with stops between them."""
    return _INITIAL.fullmatch(word) is not None and word[-1].isupper()


def _opens_line(text: str, offset: int) -> bool:
    return not text[text.rfind("\n", 0, offset) + 1 : offset].strip()
