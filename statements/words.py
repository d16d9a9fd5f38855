"""The words on a statement that people read, in the languages of the pilot: PDF and e-mail. CSV, JSON, camt.053 and
MT940 are read by programs and have the same names in every language.
"""

from typing import NamedTuple

from core.money import grouped
from statements.models import Language
from statements.selectors import Line
from transactions.models import Kind

NARROW = "\u202f"  # no-break space between thousands, as French writes


class Words(NamedTuple):
    """``kinds`` are what a movement is called: as it goes out, as it comes in. ``{}`` is the other party, of a reversal
    the receipt of what it undoes."""

    title: str
    customer: str
    wallet: str
    currency: str
    period: str
    timezone: str
    opening: str
    closing: str
    money_in: str
    money_out: str
    fees: str
    movements: str
    control_total: str
    number: str
    on_demand: str
    date: str
    what: str
    receipt: str
    balance: str
    total: str
    nothing: str
    not_final: str
    made: str
    page: str
    checksum: str
    fee: str
    fee_returned: str
    other_out: str
    other_in: str
    kinds: dict[str, tuple[str, str]]
    mail_title: str
    mail_body: str
    merchant_body: str
    attached: str
    in_app: str


WORDS: dict[str, Words] = {
    Language.ENGLISH: Words(
        title="Wallet statement", customer="Customer", wallet="Wallet", currency="Currency", period="Period",
        timezone="Time zone", opening="Opening balance", closing="Closing balance", money_in="Money in",
        money_out="Money out", fees="Fees in these", movements="Movements", control_total="Control total",
        number="Statement", on_demand="on demand", date="Date", what="What", receipt="Receipt", balance="Balance",
        total="Total", nothing="No money moved on these days.",
        not_final="The last day is not over yet: there may be more movements.",
        made="Made {}.", page="Page {} of {}", checksum="SHA-256 of the entries", fee="fee {}",
        fee_returned="fee returned {}", other_out="{} to {}", other_in="{} from {}",
        kinds={
            Kind.TRANSFER: ("Transfer to {}", "Transfer from {}"),
            Kind.PAYMENT: ("Payment to {}", "Payment from {}"),
            Kind.PAYOUT: ("Payout to {}", "Payout from {}"),
            Kind.REFUND: ("Refund to {}", "Refund from {}"),
            Kind.CONVERSION: ("Exchanged {}", "From an exchange {}"),
            Kind.TOP_UP: ("Top-up {}", "Top-up {}"),
            Kind.CASH_OUT: ("Cash-out {}", "Cash-out {}"),
            Kind.REVERSAL: ("Taken back: {}", "Given back: {}"),
            Kind.ADJUSTMENT: ("Adjustment {}", "Adjustment {}"),
        },
        mail_title="Statement {number} of your {currency} wallet",
        mail_body="{first} to {last}: opening balance {opening}, in {money_in}, out {money_out}, closing balance"
        " {closing}, {count} movements.",
        merchant_body="{first} to {last}: your customers paid {payments} ({count}); given back {returned}, fees {fees},"
        " net {net}.",
        attached="The statement is attached to the e-mail, and is in the app at any time.",
        in_app="It has too many movements for an e-mail: you find it in the app at any time.",
    ),
    Language.FRENCH: Words(
        title="Relevé de portefeuille", customer="Client", wallet="Portefeuille", currency="Devise", period="Période",
        timezone="Fuseau horaire", opening="Solde initial", closing="Solde final", money_in="Entrées",
        money_out="Sorties", fees="Dont frais", movements="Mouvements", control_total="Total de contrôle",
        number="Relevé", on_demand="à la demande", date="Date", what="Libellé", receipt="Reçu", balance="Solde",
        total="Total", nothing="Aucun mouvement pendant ces jours.",
        not_final="Le dernier jour n’est pas terminé : d’autres mouvements peuvent s’ajouter.",
        made="Établi le {}.", page="Page {} sur {}", checksum="SHA-256 des écritures", fee="frais {}",
        fee_returned="frais rendus {}", other_out="{} à {}", other_in="{} de {}",
        kinds={
            Kind.TRANSFER: ("Transfert à {}", "Transfert de {}"),
            Kind.PAYMENT: ("Paiement à {}", "Paiement de {}"),
            Kind.PAYOUT: ("Versement à {}", "Versement de {}"),
            Kind.REFUND: ("Remboursement à {}", "Remboursement de {}"),
            Kind.CONVERSION: ("Change {}", "Issu d’un change {}"),
            Kind.TOP_UP: ("Dépôt {}", "Dépôt {}"),
            Kind.CASH_OUT: ("Retrait {}", "Retrait {}"),
            Kind.REVERSAL: ("Repris : {}", "Rendu : {}"),
            Kind.ADJUSTMENT: ("Rectification {}", "Rectification {}"),
        },
        mail_title="Relevé {number} de votre portefeuille {currency}",
        mail_body="Du {first} au {last} : solde initial {opening}, entrées {money_in}, sorties {money_out}, solde final"
        " {closing}, {count} mouvements.",
        merchant_body="Du {first} au {last} : vos clients ont payé {payments} ({count}) ; remboursé {returned}, frais"
        " {fees}, net {net}.",
        attached="Le relevé est joint à l’e-mail et reste disponible dans l’application.",
        in_app="Il compte trop de mouvements pour un e-mail : vous le trouvez à tout moment dans l’application.",
    ),
    Language.SWAHILI: Words(
        title="Taarifa ya pochi", customer="Mteja", wallet="Pochi", currency="Sarafu", period="Kipindi",
        timezone="Saa za eneo", opening="Salio la mwanzo", closing="Salio la mwisho", money_in="Zilizoingia",
        money_out="Zilizotoka", fees="Ada ndani yake", movements="Miamala", control_total="Jumla ya udhibiti",
        number="Taarifa", on_demand="kwa ombi", date="Tarehe", what="Maelezo", receipt="Risiti", balance="Salio",
        total="Jumla", nothing="Hakuna muamala katika siku hizi.",
        not_final="Siku ya mwisho haijaisha: huenda kukawa na miamala zaidi.",
        made="Imetolewa {}.", page="Ukurasa {} kati ya {}", checksum="SHA-256 ya maingizo", fee="ada {}",
        fee_returned="ada iliyorejeshwa {}", other_out="{} kwa {}", other_in="{} kutoka kwa {}",
        kinds={
            Kind.TRANSFER: ("Uhamisho kwa {}", "Uhamisho kutoka kwa {}"),
            Kind.PAYMENT: ("Malipo kwa {}", "Malipo kutoka kwa {}"),
            Kind.PAYOUT: ("Malipo ya pamoja kwa {}", "Malipo ya pamoja kutoka kwa {}"),
            Kind.REFUND: ("Kurejesha pesa kwa {}", "Pesa zilizorejeshwa na {}"),
            Kind.CONVERSION: ("Kubadilisha sarafu {}", "Kutoka ubadilishaji wa sarafu {}"),
            Kind.TOP_UP: ("Kuweka pesa {}", "Kuweka pesa {}"),
            Kind.CASH_OUT: ("Kutoa pesa {}", "Kutoa pesa {}"),
            Kind.REVERSAL: ("Zimerudishwa kutoka kwako: {}", "Umerudishiwa: {}"),
            Kind.ADJUSTMENT: ("Marekebisho {}", "Marekebisho {}"),
        },
        mail_title="Taarifa namba {number} ya pochi yako ya {currency}",
        mail_body="{first} hadi {last}: salio la mwanzo {opening}, zilizoingia {money_in}, zilizotoka {money_out},"
        " salio la mwisho {closing}, miamala {count}.",
        merchant_body="{first} hadi {last}: wateja wako wamelipa {payments} ({count}); yaliyorejeshwa {returned}, ada"
        " {fees}, baki {net}.",
        attached="Taarifa imeambatishwa kwenye barua pepe, na ipo kwenye programu wakati wowote.",
        in_app="Ina miamala mingi mno kwa barua pepe: utaipata kwenye programu wakati wowote.",
    ),
    Language.KINYARWANDA: Words(
        title="Raporo y’ikofi", customer="Umukiriya", wallet="Ikofi", currency="Ifaranga", period="Igihe",
        timezone="Isaha y’akarere", opening="Asigaye mbere", closing="Asigaye nyuma", money_in="Ayinjiye",
        money_out="Ayasohotse", fees="Harimo ikiguzi", movements="Ibikorwa", control_total="Igenzura",
        number="Raporo", on_demand="yasabwe", date="Itariki", what="Ibisobanuro", receipt="Inyemezabwishyu",
        balance="Asigaye", total="Igiteranyo", nothing="Nta gikorwa cyabaye muri iyi minsi.",
        not_final="Umunsi wa nyuma nturarangira: hashobora kubaho ibindi bikorwa.",
        made="Yakozwe {}.", page="Urupapuro {} kuri {}", checksum="SHA-256 y’ibyanditswe", fee="ikiguzi {}",
        fee_returned="ikiguzi cyasubijwe {}", other_out="{}, kuri {}", other_in="{}, bivuye kuri {}",
        kinds={
            Kind.TRANSFER: ("Ayoherejwe kuri {}", "Ayoherejwe na {}"),
            Kind.PAYMENT: ("Ayishyuwe {}", "Ayishyuwe na {}"),
            Kind.PAYOUT: ("Ayahawe {}", "Ayahawe wowe na {}"),
            Kind.REFUND: ("Ayasubijwe {}", "Ayasubijwe na {}"),
            Kind.CONVERSION: ("Kuvunja amafaranga {}", "Ayavuye mu ivunjisha {}"),
            Kind.TOP_UP: ("Kubitsa {}", "Kubitsa {}"),
            Kind.CASH_OUT: ("Kubikuza {}", "Kubikuza {}"),
            Kind.REVERSAL: ("Ayasubijwe avuye kuri wowe: {}", "Wasubijwe: {}"),
            Kind.ADJUSTMENT: ("Gukosora {}", "Gukosora {}"),
        },
        mail_title="Raporo ya {number} y’ikofi yawe ya {currency}",
        mail_body="{first} kugeza {last}: asigaye mbere {opening}, ayinjiye {money_in}, ayasohotse {money_out}, asigaye"
        " nyuma {closing}, ibikorwa {count}.",
        merchant_body="{first} kugeza {last}: abakiriya banyu bishyuye {payments} ({count}); ayasubijwe {returned},"
        " ikiguzi {fees}, asigaye {net}.",
        attached="Raporo iri ku mugereka wa imeyili, kandi wayisanga muri porogaramu igihe cyose.",
        in_app="Irimo ibikorwa byinshi ku buryo itajya muri imeyili: wayisanga muri porogaramu igihe cyose.",
    ),
}  # fmt: skip


def amount(minor: int, currency: str, language: str) -> str:
    """As the language writes it: ``1,050.75``; in French ``1 050,75``."""
    text = grouped(minor, currency)
    return text.translate({ord(","): NARROW, ord("."): ","}) if language == Language.FRENCH else text


def told(line: Line, currency: str, language: str) -> str:
    """A line in a few words: ``Transfer to Eric H., fee 10.00: rent``. What it says of others the history says, too."""
    words = WORDS[language]
    way = 0 if line.is_debit else 1
    other = (line.reverses or line.counterparty) if line.kind == Kind.REVERSAL else line.counterparty
    if line.kind in words.kinds:
        text = words.kinds[line.kind][way].format(other).rstrip(" :")
    else:  # a kind that is younger than this table
        name = line.kind.replace("_", " ").capitalize() or words.movements
        text = (words.other_out if line.is_debit else words.other_in).format(name, other) if other else name
    if line.fee:
        said = words.fee if line.fee > 0 else words.fee_returned
        text += f", {said.format(amount(abs(line.fee), currency, language))}"
    return ": ".join([text, *(said for said in (line.order_reference, line.memo) if said)])
