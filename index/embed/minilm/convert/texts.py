"""The texts of the golden file: written for this purpose, then varied by a seeded generator."""

import random

PROSE = [
    "The harbour master writes every arrival in a blue book, and nobody has ever asked to read it.",
    "How do I rotate the signing key without logging everybody out?",
    "A retry without a limit is a denial of service that you wrote yourself.",
    "Rice should rest for ten minutes after the heat is off; lift the lid earlier and the bottom burns.",
    "Photosynthesis turns carbon dioxide and water into sugar, and gives off oxygen as waste.",
    "what is the capital of mongolia",
    "Invoice 2024-0317 was paid twice: once on 3 March ($1,204.50) and again on 17 March ($1,204.50).",
    "She didn't say that he shouldn't've gone; she said he'd better not.",
    "The index keeps one vector for each chunk, and a chunk is about a thousand characters long.",
    "Glaciers carve U-shaped valleys, while rivers tend to cut them into the shape of a V.",
    "Interest of 4.75% p.a. is credited monthly, less tax; see section 12(b)(iii) of the terms.",
    "My printer says PC LOAD LETTER. What does it want from me?",
    "In 1854 a physician removed the handle of a pump, and the outbreak in that street came to an end.",
    "Turn left at the mill, pass the chapel, and stop where the road turns to gravel.",
    "The defendant's appeal was dismissed because it had been filed two days after the deadline.",
    "Antibiotics do nothing against a virus; finishing the course matters all the same when you need one.",
    "Error: cannot open file: permission denied (os error 13)",
    "An orchestra tunes to the oboe since its pitch is the hardest to change.",
    "Two bolts, M8x40, grade 10.9, torque 25 N·m; do not reuse the locking washer.",
    "When the cache is cold the first query takes three hundred milliseconds, and later ones take four.",
]

LANGUAGES = [
    "Der Zug nach Köln fährt heute ausnahmsweise von Gleis 7, weil die Weiche vereist ist. Größe, Straße, Übung.",
    "Où sont passées les clés ? Elles étaient près du cœur de la forêt, là-bas, à côté de l'église. Ça alors !",
    "El niño pequeño comió piñas en la montaña. ¿Quién sabe por qué? ¡Qué lástima!",
    "Não há pão na padaria depois das três, a não ser às segundas-feiras. Coração, ações, avô, avó.",
    "La città è più bella quando piove, perché i turisti restano al caffè.",
    "Zażółć gęślą jaźń. Łódź leży w środku Polski, a Wrocław na zachodzie.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy, říká se ve škole.",
    "Árvíztűrő tükörfúrógép: a magyar billentyűzet próbája.",
    "Crăciunul e aproape; copiii așteaptă zăpada și mulțumesc țării.",
    "İstanbul'da ılık bir rüzgâr esiyor; IŞIK ve ışık, İZMİR ve Iğdır, çğöşü.",
    "Tiếng Việt có nhiều dấu: ắ, ằ, ẳ, ẵ, ặ; trời hôm nay đẹp quá, phải không?",
    "Ο Οδυσσέας γύρισε στο σπίτι του. ΟΔΥΣΣΕΥΣ, Σίσυφος, ΛΌΓΟΣ, τέλος; άνθρωποι και ήλιος.",
    "Сегодня в городе тихо, но ёжик всё ещё шуршит в листьях. Йод, объём, подъезд.",
    "Їжак з'їв яблуко, ґава полетіла до Києва; Ґрунт мокрий.",
    "Њујорк и Љубљана су далеко од Ђаковице.",
    "שלום עולם, הספר נמצא על השולחן. שָׁלוֹם עִם נִקּוּד.",
    "ذهب الولد إلى المدرسة صباحًا، ثُمَّ عَادَ مَسَاءً. كتـــاب.",
    "کتاب روی میز است و گربه می‌خوابد؛ نیم‌فاصله مهم است.",
    "नमस्ते दुनिया, आज मौसम अच्छा है। हिन्दी में संयुक्ताक्षर: क्षत्रिय, ज्ञान।",
    "বাংলা ভাষায় লেখা একটি ছোট বাক্য। কেমন আছো?",
    "தமிழ் மொழியில் ஒரு வாக்கியம் எழுதுகிறேன்.",
    "తెలుగు లో ఒక చిన్న వాక్యం.",
    "สวัสดีครับ วันนี้อากาศดีมาก เราไปตลาดน้ำกันไหม ๑๒๓",
    "ພາສາລາວ ງ່າຍບໍ? ខ្ញុំស្រឡាញ់ភាសាខ្មែរ។ မြန်မာစာ",
    "今天天气很好,我们去公园散步吧。数据库的索引应该怎么建立?",
    "繁體中文與簡體中文混排:檢索增強生成(RAG)很有用。",
    "東京は今日も雨です。カタカナとひらがな、ガギグゲゴ、ぱぴぷぺぽ。データベースの検索を速くするには?",
    "한국어 문장을 하나 씁니다. 검색 속도를 어떻게 높일 수 있나요? 각 값 없다.",
    "საქართველო ლამაზი ქვეყანაა. ᲗᲑᲘᲚᲘᲡᲘ. Հայաստան, Երևան։ አዲስ አበባ ቆንጆ ከተማ ናት።",
    "Bha an cù bàn aig a' gheata; tá an fear óg ag obair. Þetta er íslenska: ðæöþ. Åse spiser blåbær på øya.",
    "Suomen kielessä on yhdyssanoja: lentokonesuihkuturbiinimoottoriapumekaanikkoaliupseerioppilas.",
    "Mwanafunzi anasoma kitabu maktabani. Ọjọ́ dára, ẹ kú àárọ̀. Ina kwana?",
]

CODE = [
    'func main() {\n\tif err := run(ctx); err != nil {\n\t\tlog.Fatalf("run: %v", err)\n\t}\n}',
    "def area(r: float) -> float:\n    \"\"\"Area of a circle.\"\"\"\n    return math.pi * r ** 2\n",
    "SELECT c.name, COUNT(*) AS n FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY 1 HAVING COUNT(*) > 3;",
    '{"id": 17, "tags": ["a", "b"], "price": 1.50, "nested": {"ok": true, "none": null}}',
    "for (let i = 0; i < xs.length; i++) { total += xs[i] ?? 0; } // TODO: reduce",
    "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 1 << 10); return 0; }",
    "curl -sS -H 'Authorization: Bearer $TOKEN' https://api.example.com/v1/items?limit=10&after=abc_123 | jq '.data[].id'",
    "<div class=\"post-title\"><a href='/a/b.html#c'>Hello &amp; goodbye</a></div>",
    "impl<T: Clone + 'static> Iterator for Walk<T> { type Item = T; fn next(&mut self) -> Option<T> { self.0.pop() } }",
    "server:\n  listen: 127.0.0.1:8080\n  tls: { cert: /etc/tls/a.pem, key: /etc/tls/a.key }\n",
    "git rebase -i HEAD~3 && git push --force-with-lease origin feature/HTTP2-fix",
    "^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+)@(?:[a-z0-9-]+\\.)+[a-z]{2,}$",
    "getElementById XMLHttpRequest snake_case_name SCREAMING_CASE kebab-case camelCase2PascalCase v1.2.3-rc.1+build.5",
    "0x7fff_dead_beef 1e-12 3.14159 0b1010 1_000_000 +1 (555) 010-9999 2001:db8::1 192.0.2.7/24 00:1A:2B:3C:4D:5E",
    "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/x.go:8 +0x1d",
    "# Install\n\n1. Download the archive\n2. Unpack it: `tar xzf a.tgz`\n3. Run **make install**\n\n- [ ] check\n- [x] done\n\n> note\n\n| a | b |\n|---|---|\n| 1 | 2 |",
]

ODD = [
    "", " ", "\n\n\t \r\n", "a", ".", "...", "?!?!", "I", "é", "e\u0301", "\u0301", "中", "\u200b", "\ufeff", "\x00", "\ufffd",
    "[CLS]", "[SEP] [PAD] [MASK] [UNK]", "say [CLS] and [SEP] aloud", "[unused5] ##ing ##", "the [MASK] sat", "<s></s><|endoftext|>",
    "a\x00b\x01c\x07d\x1be\x7ff\x80g\x9fh", "tab\tnl\ncr\rvt\x0bff\x0cfs\x1cgs\x1dnel\x85end",
    "nb\u00a0sp en\u2002sp em\u2003sp thin\u2009sp hair\u200asp line\u2028sep para\u2029sep narrow\u202fsp math\u205fsp ideo\u3000sp ogham\u1680sp",
    "zero\u200bwidth zwnj\u200cx zwj\u200dx lrm\u200ex rlm\u200fx wj\u2060x bom\ufeffx soft\u00adhyphen mvs\u180ex tag\U000e0041x",
    "bidi \u202aone\u202c \u202etwo\u202c \u2066three\u2069", "private \ue000 \U000f0000 use",
    "👋 hello 👩‍👩‍👧‍👦 family 👍🏽 thumbs 🇩🇪 flag ❤️ heart 1️⃣ keycap 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "☺☻♥♦♣♠•◘○ ½ ¼ ² ³ ₁₂ ™ © ® ℃ № ℓ Ω ℵ ∑ ∫ √ ∞ ≠ ≤ ≥ ± × ÷ ¬ € £ ¥ ₿ § ¶ † ‡ … – — ‘a’ “b” «c» ‹d› „e‟",
    "ﬁnd ﬂow oﬃce ǅ ǆ ß ẞ ŉ ſ K Å Ω Ａｆｕｌｌ ｗｉｄｔｈ １２３ ｶﾅ ㍿ ㎏ Ⅷ ⅷ ① ⓐ",
    "İ I ı i İstanbul ISTANBUL ıssız IĞDIR DİYARBAKIR i\u0307 I\u0307",
    "ΣΑΣ σας ΌΣΟΣ ς Σ. ΑΣ, ᾼ ᾳ ῼ ΐ ΰ Ὀδυσσεύς \u0391\u0345 \u037e \u0387",
    "naïve café Ångström Dvořák Øystein Łukasz đ Đ ħ ŧ ø æ œ Æ Œ ñ ü ö ä", "A\u030a o\u0308 n\u0303 \u1ea5\u0323 q\u0307\u0323 a\u0301\u0300\u0302\u0308 e\u20dd",
    "Z͑ͫa̴l͍g̙ơ ţ̲ḛx̣ṭ", "\u1100\u1161\u11a8 각 ㄱ ㅏ ᄀ", "\uf900 \uf9ff \ufa0e \U0002f800 \U00020000 \U0002a6df \U0002b740 \U0002b820 \U0002ceaf \U00030000 \u3400 \u4dbf \u9fff",
    "〇〡々〆ヶ・、。「」『』【】〒〜゛゜ーｰ", "a中b文c", "中文english中文123中文", "x" * 99, "x" * 100, "x" * 101, "é" * 100, "e\u0301" * 100, "é" * 101, "中" * 300,
    "https://" + "a" * 120 + ".example.com/" + "b" * 99, "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis floccinaucinihilipilification",
    "-" * 300, "word " * 400, "a.b.c.d.e.f.g " * 40, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a_b a-b a'b a’b a·b a‧b a・b", "U.S.A. e.g. i.e. Ph.D. 3:30 p.m.",
    "𝐁𝐨𝐥𝐝 𝑖𝑡𝑎𝑙𝑖𝑐 𝔣𝔯𝔞𝔨 𝟘𝟙𝟚", "𐐀𐐨 𐍈 𓀀 𒀀 𝄞 𝅘𝅥𝅮 🀄 🂡", "a\u0300" * 60 + "b", "क़ ख़ ड़ ਖ਼ ଡ଼ ශ්‍රී", "ก็ ที่ น้ำ", "\u302e\u302f x\u0338 ≠ ∄",
    "Mixed: Привет, 世界! Hello, мир — 你好 κόσμε 🌍.", "١٢٣ ۴۵۶ १२३ ๑๒๓ ໑໒ ៣", "´ ¨ ¸ ˜ ˚ ` ^ ~ \u1fef \u1ffd", "\u2000\u2001x \u212a \u212b \u2126",
]


def _mix(rng):
    """A text of 1-9 sentences of any kind, most often one, joined in one of several ways."""
    pools = [PROSE] * 4 + [LANGUAGES] * 2 + [CODE]
    parts = [rng.choice(rng.choice(pools)) for _ in range(rng.choice([1] * 12 + [2, 2, 2, 3, 4, 9]))]
    return rng.choice([" ", "\n", "\n\n", "\n- ", " ... ", "; "]).join(parts)


def _vary(rng, text):
    """A slice of the text, or the text in another case, or with its words shuffled."""
    kind = rng.randrange(6)
    if kind == 0:
        return text.upper()
    if kind == 1:
        start = rng.randrange(max(1, len(text)))
        return text[start:start + rng.randrange(1, 200)]
    if kind == 2:
        words = text.split(" ")
        rng.shuffle(words)
        return " ".join(words)
    if kind == 3:
        return text.title()
    return text


RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x17F), (0x300, 0x34E), (0x370, 0x373), (0x391, 0x3A1), (0x3A3, 0x3FF), (0x400, 0x52F),
          (0x5D0, 0x5EA), (0x620, 0x64A), (0x904, 0x939), (0xE01, 0xE3A), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x3041, 0x3096),
          (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F300, 0x1F5FF), (0x0, 0x1F)]


def _noise(rng):
    """Words of random characters out of a few scripts."""
    words = []
    for _ in range(rng.randrange(1, 25)):
        low, high = rng.choice(RANGES)
        words.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randrange(1, 9))))
    return " ".join(words)


def vector_texts():
    """The texts that get a reference vector: every kind, 0 to 800 tokens."""
    rng = random.Random(1)
    texts = dict.fromkeys(PROSE + LANGUAGES + CODE + ODD)
    while len(texts) < 520:
        texts[_vary(rng, _mix(rng))] = None
    return list(texts)


def token_texts():
    """More texts, of which only the token ids are kept."""
    rng = random.Random(2)
    texts = dict.fromkeys(_noise(rng) for _ in range(400))
    while len(texts) < 640:
        texts[_vary(rng, _mix(rng))] = None
    return [text for text in texts if text not in set(vector_texts())]
