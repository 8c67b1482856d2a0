"""Defines the names of the months, and the order of day and month, in each locale. Pure."""

from contract.fields import Locale

#: For each language, the names of the months from January to December, separated by `|`. The names and
#: abbreviations of one month are separated by spaces; they are in lower case and without a point.
NAMES = {
    "en": "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep"
    "|october oct|november nov|december dec",
    "de": "januar jänner jan|februar feber feb|märz mär mrz|april apr|mai|juni jun|juli jul|august aug"
    "|september sept sep|oktober okt|november nov|dezember dez",
    "es": "enero ene|febrero feb|marzo mar|abril abr|mayo may|junio jun|julio jul|agosto ago"
    "|septiembre setiembre sept sep|octubre oct|noviembre nov|diciembre dic",
    "fr": "janvier janv|février févr fév|mars|avril avr|mai|juin|juillet juil|août aout|septembre sept"
    "|octobre oct|novembre nov|décembre déc",
    "it": "gennaio gen|febbraio feb|marzo mar|aprile apr|maggio mag|giugno giu|luglio lug|agosto ago"
    "|settembre set|ottobre ott|novembre nov|dicembre dic",
    "nl": "januari jan|februari feb|maart mrt|april apr|mei|juni jun|juli jul|augustus aug|september sept sep"
    "|oktober okt|november nov|december dec",
    "pl": "stycznia styczeń sty|lutego luty lut|marca marzec mar|kwietnia kwiecień kwi|maja maj"
    "|czerwca czerwiec cze|lipca lipiec lip|sierpnia sierpień sie|września wrzesień wrz"
    "|października październik paź|listopada listopad lis|grudnia grudzień gru",
    "pt": "janeiro jan|fevereiro fev|março mar|abril abr|maio mai|junho jun|julho jul|agosto ago"
    "|setembro set|outubro out|novembro nov|dezembro dez",
    "sv": "januari jan|februari feb|mars mar|april apr|maj|juni jun|juli jul|augusti aug|september sept sep"
    "|oktober okt|november nov|december dec",
}


def month_names(locale: Locale | None) -> dict[str, int]:
    """Return the number of the month (1 to 12) for each name in the locale's language and in English."""
    languages = ["en"] if locale is None else ["en", locale.partition("-")[0]]
    return {
        name: number
        for language in languages
        for number, names in enumerate(NAMES[language].split("|"), 1)
        for name in names.split()
    }


def is_day_first(locale: Locale | None) -> bool | None:
    """Return whether 03/04/2026 is 3 April; None if the locale does not determine this."""
    if locale in {None, Locale.EN}:
        return None
    return locale is not Locale.EN_US
