"""Writes office/: a Word, PowerPoint, Excel and OpenDocument file and a book.

    pip install -r requirements.txt && python make_office.py

The expected text beside each file (.txt) is written by the Go test with -update
and read by people.
"""

import datetime
import pathlib

import docx
import openpyxl
import pptx
from docx.enum.text import WD_BREAK
from ebooklib import epub
from odf import dc, meta, office, opendocument, style, table, text
from pptx.util import Inches

OUT = pathlib.Path(__file__).parent / "office"
WHEN = datetime.datetime(2024, 5, 17, 8, 30)


def word():
    d = docx.Document()
    p = d.core_properties
    p.title, p.author, p.modified, p.created = "Tide tables", "Ann Ebb", WHEN, WHEN
    d.add_heading("Tide tables", 0)
    d.add_paragraph("How to read them, with naïve questions & 日本語.")
    d.add_heading("Reading", 1)
    p = d.add_paragraph("A line")
    p.add_run(" in bold").bold = True
    p.add_run(", then a break")
    p.runs[-1].add_break(WD_BREAK.LINE)
    p.add_run("and the rest.\tAfter a tab.")
    d.add_heading("Low water", 2)
    for item in ("Look at the clock", "Look at the sea"):
        d.add_paragraph(item, style="List Bullet")
    d.add_heading("A table", 1)
    t = d.add_table(rows=3, cols=3)
    for row, cells in zip(t.rows, (("Port", "High", "Low"), ("Brest", "06:12", "12:20"), ("Cuxhaven", "01:40", ""))):
        for cell, value in zip(row.cells, cells):
            cell.text = value
    t.rows[2].cells[2].add_paragraph("08:15").add_run(" (est.)")
    d.add_paragraph("The end.")
    d.sections[0].header.paragraphs[0].text = "A header, left out"
    d.save(OUT / "tides.docx")


def slides():
    d = pptx.Presentation()
    p = d.core_properties
    p.title, p.author, p.modified, p.created = "Crabs", "Ben Flood", WHEN, WHEN
    for title, lines, notes in (
        ("Crabs", ["An introduction"], ""),
        ("Third in the file, second on the screen", ["Two claws", "Eight legs"], "Say it slowly."),
        ("Second in the file, third on the screen", ["Sideways"], ""),
    ):
        s = d.slides.add_slide(d.slide_layouts[1])
        s.shapes.title.text = title
        s.placeholders[1].text_frame.text = "\n".join(lines)
        if notes:
            s.notes_slide.notes_text_frame.text = notes
    s = d.slides[2]
    t = s.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for i, value in enumerate(("Kind", "Speed", "Shore crab", "1 m/s")):
        t.cell(i // 2, i % 2).text = value
    ids = d.slides._sldIdLst  # the order on the screen is that of this list
    order = list(ids)
    ids.remove(order[1])
    ids.append(order[1])
    d.save(OUT / "crabs.pptx")


def sheets():
    d = openpyxl.Workbook()
    d.properties.title, d.properties.creator, d.properties.modified = "Stock", "Cleo Spring", WHEN
    s = d.active
    s.title = "Shells"
    s.append(["Stock of shells"])
    s.append([])
    s.append(["Name", "Count", "Price", "Since", "", "Total"])
    s.append(["Cowrie", 12, 1.5, datetime.date(2024, 2, 29), None, "=B4*C4"])
    s.append(["Cone", 3, 20, datetime.date(2023, 12, 1), "fragile", "=B5*C5"])
    for cell in ("C4", "C5"):
        s[cell].number_format = "0.00"
    s = d.create_sheet("Ports & piers")
    for row in (["Port", "Open"], ["Brest", True], ["Cuxhaven", False]):
        s.append(row)
    s = d.create_sheet("Lists")
    s.sheet_state = "hidden"
    s.append(["left", "out"])
    d.create_sheet("Empty")
    d.save(OUT / "stock.xlsx")


def open_document():
    d = opendocument.OpenDocumentText()
    d.meta.addElement(dc.Title(text="Sea walls"))
    d.meta.addElement(dc.Creator(text="Dan Neap"))
    d.meta.addElement(dc.Date(text=WHEN.isoformat()))
    d.text.addElement(text.H(outlinelevel=1, text="Sea walls"))
    p = text.P(text="They hold ")
    p.addElement(text.Span(text="back"))
    p.addText(" the sea")
    p.addElement(text.S(c=5))
    p.addText("for")
    p.addElement(text.Tab())
    p.addText("now.")
    p.addElement(text.LineBreak())
    p.addText("A new line")
    note = text.Note(noteclass="footnote", id="n1")
    note.addElement(text.NoteCitation(text="1"))
    body = text.NoteBody()
    body.addElement(text.P(text="a remark"))
    note.addElement(body)
    p.addElement(note)
    p.addText("with a footnote.")
    d.text.addElement(p)
    d.text.addElement(text.H(outlinelevel=2, text="Kinds"))
    items = text.List()
    for item in ("Stone", "Sand"):
        i = text.ListItem()
        i.addElement(text.P(text=item))
        items.addElement(i)
    d.text.addElement(items)
    t = table.Table(name="walls")
    for row in (("Wall", "Height"), ("Old", "3 m"), ("New", "5 m")):
        r = table.TableRow()
        for value in row:
            c = table.TableCell()
            c.addElement(text.P(text=value))
            r.addElement(c)
        t.addElement(r)
    d.text.addElement(t)
    d.text.addElement(text.P(text="The end."))
    d.save(OUT / "walls.odt")


def book():
    b = epub.EpubBook()
    b.set_identifier("shore")
    b.set_title("The shore")
    b.set_language("en")
    b.add_author("Eve Surf")
    b.add_metadata("DC", "date", "2024-05-17")
    chapters = []
    for name, title, content in (
        ("two words.xhtml", "Arrival", "<h1>Arrival</h1><p>We came at <em>low</em> water.</p><h2>The pier</h2><p>It was long &amp; wet.</p>"),
        ("a.xhtml", "Untitled morning", "<p>A chapter without a heading.</p>"),
        ("b.xhtml", "Leaving", "<h1>Leaving</h1><pre>tide  out</pre><ul><li>bag</li><li>hat</li></ul>"),
    ):
        c = epub.EpubHtml(title=title, file_name=name, lang="en")
        c.content = f"<html><head><title>{title}</title></head><body>{content}</body></html>"
        b.add_item(c)
        chapters.append(c)
    b.spine = ["nav", *chapters]
    b.toc = chapters
    b.add_item(epub.EpubNcx())
    b.add_item(epub.EpubNav())
    epub.write_epub(OUT / "shore.epub", b)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    word(), slides(), sheets(), open_document(), book()
