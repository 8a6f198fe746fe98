# SPDX-License-Identifier: GPL-2.0-only
"""How the HTML report of ``ctlint lint`` looks: light and dark, on paper, and on narrow screens."""

from __future__ import annotations

from typing import Final

from ctlint.report.ladder_svg import STYLE as LADDER_STYLE

# Text has a contrast of at least 4.5 to what it stands on (WCAG 2.2, 1.4.3).
_LIGHT: Final = """
--page:#f3f5f8;--card:#ffffff;--text:#1b1f24;--dim:#57606a;--edge:#d5dae0;--soft:#f6f8fa;
--error:#b31d28;--warning:#8a5a00;--note:#0550ae;--good:#116329;--link:#0550ae;
--error-soft:#ffeceb;--warning-soft:#fff4d6;--note-soft:#e4f0ff;--good-soft:#e6f7ea;
"""
_DARK: Final = """
--page:#05080c;--card:#0d1117;--text:#e6edf3;--dim:#9198a1;--edge:#2d343d;--soft:#151b23;
--error:#ff8f88;--warning:#e3b341;--note:#79c0ff;--good:#56d364;--link:#79c0ff;
--error-soft:#3a1417;--warning-soft:#33270a;--note-soft:#0f2a48;--good-soft:#0f2d1a;
"""

_RULES: Final = """
*{box-sizing:border-box}
html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);overflow-wrap:break-word;
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
header,nav,main,footer{max-width:66rem;margin:0 auto;padding:0 1.25rem}
a{color:var(--link);text-underline-offset:.15em}
a:focus-visible,summary:focus-visible,pre:focus-visible,input:focus-visible,
.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;padding:.4rem .8rem;background:var(--card)}
h1,h2,h3,h4,h5{line-height:1.25;margin:0;text-wrap:balance}
h1{font-size:clamp(1.6rem,5vw,2.3rem);letter-spacing:-.02em}
h2{font-size:1.35rem;margin:2.1rem 0 .9rem;letter-spacing:-.01em}
h3{font-size:1.08rem}h4{font-size:1rem}
p{margin:.6rem 0}
code,pre,.severity,.place{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,
"DejaVu Sans Mono",monospace;font-size:.86em}
code{overflow-wrap:anywhere}
pre{margin:0;padding:.75rem .9rem;overflow:auto;background:var(--soft);border:1px solid var(--edge);
border-radius:8px;line-height:1.5}
pre code{font-size:1em;overflow-wrap:normal}
.dim{color:var(--dim)}
header{padding-top:1.7rem}
.brand{margin:0 0 .4rem;color:var(--dim);font-weight:600;letter-spacing:.01em}
.scope{margin:.5rem 0 1.1rem;color:var(--dim)}
fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}
legend{float:left;margin-right:.3rem;color:var(--dim);padding:0}
fieldset label{display:inline-flex;gap:.45rem;align-items:center;padding:.25rem .75rem .25rem .6rem;
border:1px solid var(--edge);border-radius:99px;background:var(--card);cursor:pointer}
fieldset input{margin:0;accent-color:var(--own);width:1rem;height:1rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:1rem 0 0;
padding:.7rem 0 0;border-top:1px solid var(--edge)}
.error{--own:var(--error);--own-soft:var(--error-soft)}
.warning{--own:var(--warning);--own-soft:var(--warning-soft)}
.note{--own:var(--note);--own-soft:var(--note-soft)}
fieldset label,.severity,.caret{color:var(--own)}
.severity{display:inline-block;padding:.1em .6em;border-radius:99px;background:var(--own-soft);
font-weight:700;letter-spacing:.02em}
article,.panel{background:var(--card);border:1px solid var(--edge);border-radius:12px;
padding:1.1rem 1.25rem;margin:0 0 1.1rem}
article.finding{border-left:4px solid var(--own)}
article.finding h3{display:flex;flex-wrap:wrap;gap:.35rem .6rem;align-items:baseline}
.known{margin:.25rem 0 .8rem;color:var(--dim);font-size:.93rem}
figure{margin:.8rem 0}
figcaption{margin-bottom:.35rem;font-size:.93rem;color:var(--dim);overflow-wrap:anywhere}
.number{color:var(--dim);user-select:none}.caret{font-weight:700}
.case{margin:1rem 0 0}.case+.case{padding-top:1rem;border-top:1px dashed var(--edge)}
.case h4,.case-role{color:var(--dim);font-weight:600}
.says{font-size:1.05rem;margin:.35rem 0 .6rem}.says::first-letter{text-transform:uppercase}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:.6rem 0}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
.stranded{color:var(--error);font-weight:600}
.help{margin:1rem 0 0;padding:.75rem .9rem;border-radius:8px;background:var(--good-soft)}
.help p{margin:0 0 .5rem;overflow-wrap:anywhere}.help p:last-child{margin:0}
.help strong{color:var(--good)}.help summary{color:var(--good)}
.help{font-size:.95rem}.help p code{background:var(--card);border-radius:4px;padding:.05em .3em;
-webkit-box-decoration-break:clone;box-decoration-break:clone}
details{margin:.7rem 0}summary{cursor:pointer;color:var(--link)}
details>*:not(summary){margin-top:.5rem}
.scroll{overflow-x:auto;border:1px solid var(--edge);border-radius:8px;padding:.4rem .6rem}
svg.ladder{display:block;width:100%;min-width:25rem;max-width:37rem;height:auto;margin:0 auto}
.added{color:var(--good)}.removed{color:var(--error)}.hunk{color:var(--note)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;
border-bottom:1px solid var(--edge)}
tr:last-child>*{border-bottom:0}
th{color:var(--dim);font-weight:600;font-size:.93rem;white-space:nowrap}
td.count{text-align:right;font-variant-numeric:tabular-nums}th.count{text-align:right}
.plain{padding-left:1.2rem;margin:.4rem 0}.plain li{margin:.3rem 0;overflow-wrap:anywhere}
.page h4{margin:1.1rem 0 .3rem}.page pre{margin:.5rem 0}.page li{margin:.2rem 0}
.nothing{padding:2rem 1.25rem;text-align:center;font-size:1.1rem;color:var(--good)}
footer{margin-top:2.5rem;padding-bottom:2.5rem;color:var(--dim);font-size:.9rem}
body:has(#show-error:not(:checked)) .finding.error,
body:has(#show-warning:not(:checked)) .finding.warning,
body:has(#show-note:not(:checked)) .finding.note{display:none}
@media (max-width:38rem){
header,nav,main,footer{padding-left:.8rem;padding-right:.8rem}
article,.panel{padding:.9rem .85rem;border-radius:10px}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.45rem}
table,tbody,tr,td{display:block}thead{display:none}
tr{padding:.5rem 0;border-bottom:1px solid var(--edge)}tr:last-child{border:0}
td{border:0;padding:0}td.count{text-align:left}
svg.ladder{min-width:22rem}
td[data-label]::before{content:attr(data-label) ": ";color:var(--dim)}
}
@media print{
html{font-size:10.5pt}body{background:none;font-size:1rem}header,nav,main,footer{max-width:none;padding:0}
nav,fieldset,.skip{display:none}article,.panel{border-radius:0}
article.finding,figure,.help,pre{break-inside:avoid}h2,h3,h4{break-after:avoid}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
details::details-content{content-visibility:visible;block-size:auto}
svg.ladder{min-width:0;max-width:28rem}
}
"""


def _in_one_line(text: str) -> str:
    return text.replace("\n", "")


STYLE: Final = (
    f":root{{color-scheme:light dark;{_in_one_line(_LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_in_one_line(_DARK)}}}}}"
    f"{_in_one_line(_RULES)}{LADDER_STYLE}"
)
