"""Who there is: names, numbers, addresses and tiers of one country's customers, each made from its position alone.

Phone numbers are valid for their country, and given out by chance; mail addresses are at domains that take no mail.
"""

import math
import random
import re
from typing import NamedTuple

from customers.models import AccountType
from tekana import demo_plan

# Of a hundred customers.
SHARES = {"KE": 40, "NG": 18, "RW": 12, "UG": 10, "TZ": 8, "GH": 6, "ZA": 6}
TIERS = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2)  # one of these by chance; businesses are on tier 2
BUSINESS_EVERY = 67
BUSINESS_TYPES = (
    AccountType.SME, AccountType.SME, AccountType.SME, AccountType.SME, AccountType.ECOMMERCE, AccountType.FREELANCER,
    AccountType.EXPORTER, AccountType.STARTUP, AccountType.NGO,
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")

# What numbers of mobile networks begin with behind the country code, and how long they are.
CODES = {"KE": "254", "NG": "234", "RW": "250", "UG": "256", "TZ": "255", "GH": "233", "ZA": "27"}
NETWORKS = {
    "KE": "70 71 72 74 75 76 79 110 111 112 100 101", "NG": "803 806 813 703 802 810 901 705 905", "RW": "78 79 72 73",
    "UG": "77 78 70 75 76 74", "TZ": "74 75 76 71 65 68 78 62 67", "GH": "24 54 55 20 50 27 26",
    "ZA": "82 83 72 73 84 76 71 61 60 79",
}  # fmt: skip
DIGITS = {"NG": 10}  # elsewhere nine

GIVEN = {
    "KE": "Wanjiku Otieno Akinyi Kamau Njoki Kipchoge Chebet Mwende Musa Amina Hassan Halima Brian Faith Esther "
    "John Mary Grace David Daniel Ruth Caroline Eunice Stephen Moraa Nyaboke Omondi Auma Muthoni Wairimu "
    "Karanja Ekiru Lokwang Zainab Abdi Salim Rashid Mwanaisha Kadzo Baraka",
    "NG": "Oluwaseun Adaeze Chukwuemeka Ifeoma Obinna Aisha Musa Fatima Ibrahim Blessing Emeka Funmilayo Yusuf "
    "Hauwa Segun Chiamaka Uche Nneka Kelechi Bola Damilola Temitope Sani Zainab Efe Osagie Ebiere Tamuno",
    "RW": "Aline Eric Jeanne Jean-Paul Marie-Claire Alphonse Josiane Theogene Vestine Clementine Fabrice Yvonne "
    "Emmanuel Esperance Gaspard Odette Felicien Liliane Pacifique Divine Aimable Beata",
    "UG": "Akello Okot Nakimuli Mukasa Nalwanga Opio Achan Kato Babirye Wasswa Nansubuga Tumusiime Kyomuhendo "
    "Byaruhanga Atuhaire Ochieng Apio Ssali Namugga Mirembe",
    "TZ": "Asha Baraka Fatuma Hamisi Joyce Kassim Mwajuma Salma Rashidi Upendo Zuberi Anna Elia Neema Subira "
    "Tatu Bahati Imani Emanueli Shabani",
    "GH": "Yaw Akosua Kwabena Ama Kojo Efua Kwaku Adwoa Esi Nana Fiifi Araba Selorm Dzifa Mawuli Akua Yaa Kweku "
    "Abdul-Razak Mariama",
    "ZA": "Nomvula Bongani Zanele Themba Ayanda Lindiwe Mpho Tshepo Naledi Kagiso Johan Annelie Pieter Fatima "
    "Yusuf Priya Rajesh Nkosana Busisiwe Vusi",
}  # fmt: skip
FAMILY = {
    "KE": "Kamau Odhiambo Mutiso Chebet Abdi Nyambura Wafula Simiyu Korir Rotich Cheruiyot Langat Muriuki Gitau "
    "Ndungu Macharia Onyango Okoth Achieng Owino Makokha Nekesa Musyoka Nzioka Muli Hussein Mohamed Omar "
    "Juma Baya Charo Lekuton Nyong'o Ole-Kina Kosgei Bett",
    "NG": "Adebayo Okonkwo Nwosu Balogun Abubakar Bello Ogunleye Onyeka Uzoma Danjuma Lawal Nnamdi Akintola "
    "Olawale Ikechukwu Osaze Ekpo Bassey Garba Suleiman Obi Amadi",
    "RW": "Mukamana Habimana Niyomugabo Uwase Nsengimana Mukeshimana Bizimana Ndayisenga Tuyisenge Mutesi "
    "Kayitesi Munyaneza Gasana Rwigema Murekatete Ntaganda Karangwa Nyiramana",
    "UG": "Kiggundu Nsubuga Lubega Ocen Odongo Mugisha Tumwine Asiimwe Kabuye Walusimbi Nakyeyune Oryem Aber "
    "Lwanga Kizza Bbosa",
    "TZ": "Mwakyusa Shirima Lyimo Mbwana Swai Msuya Nyerere Komba Haule Chacha Marwa Temba Mrema Kikwete Ngowi "
    "Salum",
    "GH": "Owusu Osei Appiah Agyeman Amoah Adjei Tetteh Lamptey Quaye Ansah Darko Opoku Addo Acheampong Dogbe "
    "Issah",
    "ZA": "Khumalo Zulu Ndlovu Mthembu Sithole Mahlangu Molefe Naidoo Pillay Botha Van-Wyk Jacobs Petersen "
    "Radebe Mabaso Tshabalala",
}  # fmt: skip
TRADES = (
    "Stores", "Pharmacy", "Hardware", "Butchery", "Electronics", "Salon", "Fabrics", "Bakery", "Motors",
    "Transport Sacco", "Fresh Produce", "Kiosk", "Supermarket", "Books", "Airtime", "Water Point", "Clinic",
    "Fuel Station", "Cafe",
    "Tailoring",
)  # fmt: skip


class Person(NamedTuple):
    full_name: str
    email: str
    phone_number: str
    account_type: str
    tier: int


class People:
    """The customers of one country by their position, 0 being the one who joined first."""

    def __init__(self, country: str, seed: str) -> None:
        chance = random.Random(f"{seed}:{country}:people")  # noqa: S311 (the same throws every time)
        self.given = sorted({*demo_plan.GIVEN[country].split(), *GIVEN[country].split()})
        self.family = sorted({*demo_plan.FAMILY[country].split(), *FAMILY[country].split()})
        chance.shuffle(self.given)
        chance.shuffle(self.family)
        self.chance = chance
        self.country = country
        networks = NETWORKS[country].split()
        length = DIGITS.get(country, 9)
        # All numbers in one row, walked through in steps that meet each of them once: no two customers share one.
        self.numbers = [
            (f"+{CODES[country]}{network}", length - len(network), 10 ** (length - len(network)))
            for network in networks
        ]
        self.all_numbers = sum(size for _, _, size in self.numbers)
        self.step = 61_803_398_875 % self.all_numbers
        while math.gcd(self.step, self.all_numbers) != 1:
            self.step += 1
        self.first = chance.randrange(self.all_numbers)

    def next(self, position: int) -> Person:
        """Who joins next; to be asked for in order."""
        throw = self.chance.random
        given = self.given[int(throw() ** 1.6 * len(self.given))]  # some names are more common than others
        family = self.family[int(throw() ** 1.6 * len(self.family))]
        if is_business(position):
            full_name = f"{given} {TRADES[int(throw() * len(TRADES))]}"
            account_type, tier = BUSINESS_TYPES[int(throw() * len(BUSINESS_TYPES))], 2
        else:
            second = self.given[int(throw() * len(self.given))] if throw() < 0.3 else ""
            full_name = f"{given} {second} {family}" if second not in ("", given) else f"{given} {family}"
            account_type, tier = AccountType.INDIVIDUAL, TIERS[int(throw() * len(TIERS))]
        box = re.sub(r"[^a-z]+", ".", f"{given} {family}".lower())
        email = f"{box}{position + 1}@{DOMAINS[position % len(DOMAINS)]}"
        return Person(full_name, f"{self.country.lower()}.{email}", self.phone_number(position), account_type, tier)

    def phone_number(self, position: int) -> str:
        place = (self.first + position * self.step) % self.all_numbers
        for prefix, digits, size in self.numbers:
            if place < size:
                return f"{prefix}{place:0{digits}}"
            place -= size
        raise AssertionError("unreachable")


def is_business(position: int) -> bool:
    return position % BUSINESS_EVERY == 0
