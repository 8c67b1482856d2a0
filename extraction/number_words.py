"""Lists the words that may stand next to a number: currencies, and words that multiply it. Pure."""

_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTC BTN BWP BYN BZD CAD "
    "CDF CHF CLP CNH CNY COP CRC CUP CVE CZK DEM DJF DKK DOP DZD EGP ERN ETB ETH EUR FJD FKP GBP GEL GHS GIP "
    "GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD "
    "KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR "
    "NZD OMR PAB PEN PGK PHP PKR PLN PTE PYG QAR RMB RON RSD RUB RUR RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL "
    "SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF "
    "XAG XAU XCD XOF XPF YER ZAR ZMW ZWL ZWG"
)
_WORDS = (
    "Bs DH Dh Dhs DM FCFA FR Fr fr Ft FT KM Kč Kčs Kc kč KČ KC Kn kn kr Kr KR Lei lei LEI leva Lt Ls NIS NKr "
    "Nkr Pts Php RM Rp RP Rs RS Sfr SFr sFr Skr Dkr TL Tk zl zł Zł ZŁ Euro Euros euro euros dollar dollars "
    "Dollar Dollars pound pounds yen franc francs Franken peso pesos Pesos krona kronor kroner Kronor Kroner "
    "rupees Rupees din ден дин р Р руб рублей грн лв тг тенге сом 元 円 圓 圆 원 บาท đ Đ"  # noqa: RUF001 - Cyrillic words
)
#: The symbols of currencies (the Unicode category Sc), as characters of a pattern.
SYMBOLS = "$¢£¤¥֏؋৲৳৻૱௹฿៛₠-⃀﷼﹩\uff04￠￡￥￦"
#: A currency: a symbol with or without letters (€, US$, R$), a code (EUR), or an abbreviation (kr, Rs., zł).
CURRENCY = (
    rf"(?:(?:(?<![^\W\d_])[A-Za-z]{{1,3}}\.?)?[{SYMBOLS}]|(?<![^\W\d_])"
    rf"(?:{'|'.join(sorted([*_CODES.split(), *_WORDS.split()], key=len, reverse=True))})(?![^\W\d_])\.?)"
)
_MULTIPLIERS = (
    "hundred thousand thousands million millions billion billions trillion trillions lakh lakhs crore crores "
    "dozen dozens bn mn hundert tausend millionen milliarde milliarden billionen dutzend tsd mio mrd mds "
    "ciento cientos mil millón millon millones millardo mille milliers milliard milliards centaine centaines "
    "douzaine mila milione milioni miliardo miliardi mln mld honderd duizend miljoen miljard tys tysiąc "
    "tysiące tysięcy milion miliony milionów miliard miliardy miliardów milhão milhões milhao bilhão bilhões "
    "milhar milhares tusen hundra miljon miljoner miljarder tkr mkr mdkr mnkr тыс млн млрд тысяча тысяч "
    "миллион миллионов लाख करोड़ mill millioner milliarder tusind"
)
_MULTIPLIERS = (
    "hundred thousand thousands million millions billion billions trillion trillions lakh lakhs crore crores "
    "dozen dozens bn mn hundert tausend millionen milliarde milliarden billionen dutzend tsd mio mrd mds "
    "ciento cientos mil millón millon millones millardo mille milliers milliard milliards centaine centaines "
    "douzaine mila milione milioni miliardo miliardi mln mld honderd duizend miljoen miljard tys tysiąc "
    "tysiące tysięcy milion miliony milionów miliard miliardy miliardów milhão milhões milhao bilhão bilhões "
    "milhar milhares tusen hundra miljon miljoner miljarder tkr mkr mdkr mnkr тыс млн млрд тысяча тысяч "
    "миллион миллионов लाख करोड़ mill millioner milliarder tusind"
)
#: Words that multiply the number before them, in the languages of the locales and some others.
MULTIPLIERS = frozenset(_MULTIPLIERS.split())
