"""Writes into pdf/ the files that no one else's stand for: scan.pdf (a picture of
text), encrypted.pdf (opens with "secret"), restricted.pdf (encrypted, opens without
a password) and letters.pdf (two pages of many scripts).

    pip install -r requirements.txt && python make_pdf.py
"""

import pathlib

import pikepdf
from PIL import Image, ImageDraw
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

OUT = pathlib.Path(__file__).parent / "pdf"


def letters():
    for font in ("HeiseiMin-W3", "STSong-Light"):
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    c = canvas.Canvas(str(OUT / "letters.pdf"), invariant=1)
    c.setTitle("Letters of many scripts")
    c.setAuthor("Fay Shoal")
    c.drawString(72, 760, "Façade, naïve, Straße: the first page.")
    c.drawString(72, 740, "A word may be hyphen-")
    c.drawString(72, 720, "ated over two lines.")
    c.showPage()
    c.setFont("HeiseiMin-W3", 12)
    c.drawString(72, 760, "潮が引くと、カニが出てくる。")
    c.setFont("STSong-Light", 12)
    c.drawString(72, 740, "退潮时螃蟹会出来。")
    c.showPage()
    c.save()


def scan():
    picture = Image.new("1", (400, 200), 1)
    ImageDraw.Draw(picture).text((20, 20), "A picture of text", fill=0)
    picture.save(OUT / "scan.pdf", "PDF")


def encrypted():
    for name, user in (("encrypted.pdf", "secret"), ("restricted.pdf", "")):
        with pikepdf.open(OUT / "letters.pdf") as p:
            p.save(OUT / name, encryption=pikepdf.Encryption(user=user, owner="owner", R=6))


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    letters(), scan(), encrypted()
