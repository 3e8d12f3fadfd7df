"""The words that the dialogues are made of. There are a few hundred, so that a small model can learn all of them."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


NAMES = _words(
    """Ada Adam Alice Amir Anna Ben Bella Carl Carla Chen Clara Dan Dana David Diana Elena Eli Emil Emma
    Eric Eva Felix Fiona Frank Gina George Grace Hana Hans Harry Helen Hugo Ida Igor Ines Iris Ivan Jack
    Jana Jane Jim Joan Julia Kai Karl Kate Kim Lara Laura Lea Leo Lily Lin Lisa Liam Lucy Luke Maria
    Mark Marta Max Maya Mia Milan Mira Nadia Nina Noah Nora Olga Oliver Omar Oscar Otto Pablo Paul Paula
    Peter Petra Quinn Rita Robert Rosa Ruth Sam Sara Sofia Simon Stella Sven Tara Tim Tina Tom Uma Vera
    Victor Wanda Will Yuki Yusuf Zara Zoe"""
)

# The capital of each country.
CAPITALS = {
    "Austria": "Vienna",
    "Belgium": "Brussels",
    "Brazil": "Brasilia",
    "Bulgaria": "Sofia",
    "Canada": "Ottawa",
    "Chile": "Santiago",
    "China": "Beijing",
    "Croatia": "Zagreb",
    "Cuba": "Havana",
    "Denmark": "Copenhagen",
    "Egypt": "Cairo",
    "England": "London",
    "Finland": "Helsinki",
    "France": "Paris",
    "Germany": "Berlin",
    "Greece": "Athens",
    "Hungary": "Budapest",
    "Iceland": "Reykjavik",
    "India": "Delhi",
    "Ireland": "Dublin",
    "Italy": "Rome",
    "Japan": "Tokyo",
    "Kenya": "Nairobi",
    "Norway": "Oslo",
    "Peru": "Lima",
    "Poland": "Warsaw",
    "Portugal": "Lisbon",
    "Russia": "Moscow",
    "Serbia": "Belgrade",
    "Spain": "Madrid",
    "Sweden": "Stockholm",
    "Turkey": "Ankara",
    "Ukraine": "Kyiv",
    "Vietnam": "Hanoi",
}
CITIES = [
    *CAPITALS.values(),
    *_words(
        """Basel Boston Bremen Chicago Dallas Dresden Florence Geneva Genoa Hamburg Kyoto Leeds Lyon Malaga Marseille
        Miami Milano Mumbai Munich Naples Nice Osaka Oxford Porto Salzburg Seattle Seville Shanghai Sydney Toronto
        Toulouse Turin Valencia Venice Zurich"""
    ),
]
COLOURS = _words("""red blue green yellow black white brown grey pink orange purple golden""")
ANIMALS = _words(
    "cat dog horse cow bird fish mouse rabbit duck goat sheep pig frog fox bear lion tiger monkey parrot turtle"
)
PET_NAMES = _words("""Rex Bello Luna Fluffy Rocky Coco Daisy Buddy Milo Pepper Shadow Ginger Snowy Tiger Simba Nemo""")
# The plural adds an s.
THINGS = _words(
    """apple pear lemon melon plum egg cake cookie carrot onion potato book pen cup plate spoon lamp chair
    table clock shirt hat coat shoe bag ball box key stone flower tree stamp coin ticket card letter
    picture bottle"""
)
PLURALS = {thing: thing + ("es" if thing.endswith(("x", "o")) else "s") for thing in THINGS}
JOBS = _words(
    """baker teacher doctor nurse painter singer writer farmer driver pilot cook dentist lawyer gardener
    builder tailor waiter actor judge sailor butcher barber miner plumber"""
)
FOODS = _words(
    "pizza soup bread cheese rice pasta salad cake honey chocolate fish curry pie beans tea coffee milk juice"
)
WEATHER = ["sunny", "cloudy", "rainy", "windy", "foggy", "stormy", "snowy", "cold", "warm", "hot"]
DAYS = _words("""Monday Tuesday Wednesday Thursday Friday Saturday Sunday""")
MONTHS = _words("""January February March April May June July August September October November December""")
# What someone does: the third person, its past and its infinitive, and with what.
ACTIVITIES = [
    ("plays", "played", "play", ["tennis", "football", "chess", "cards", "the piano", "the guitar"]),
    ("likes", "liked", "like", [*FOODS[:8], "music"]),
    ("cooks", "cooked", "cook", ["soup", "rice", "pasta", "beans", "dinner"]),
    ("paints", "painted", "paint", ["a house", "a boat", "the door", "the wall", "a flower"]),
    ("cleans", "cleaned", "clean", ["the room", "the car", "the kitchen", "the window"]),
    ("watches", "watched", "watch", ["a film", "the birds", "the game", "the stars"]),
    ("needs", "needed", "need", ["a lamp", "a coat", "help", "water", "a new bag"]),
    ("visits", "visited", "visit", ["the museum", "the market", "a friend", "the zoo"]),
    ("opens", "opened", "open", ["the door", "the window", "a letter", "the box"]),
    ("wants", "wanted", "want", ["a dog", "a book", "some tea", "more cake"]),
]
OPPOSITES = [
    ("hot", "cold"),
    ("big", "small"),
    ("old", "young"),
    ("fast", "slow"),
    ("high", "low"),
    ("light", "dark"),
    ("happy", "sad"),
    ("early", "late"),
    ("rich", "poor"),
    ("open", "closed"),
    ("long", "short"),
    ("full", "empty"),
    ("wet", "dry"),
    ("hard", "soft"),
    ("strong", "weak"),
    ("clean", "dirty"),
]
# What a call of `lookup` may be about.
TOPICS = [
    *_words("""gravity oxygen Mars Venus Jupiter photosynthesis volcanoes Einstein Mozart Newton Darwin Plato Cleopatra
    Napoleon Galileo democracy chess jazz opera penguins whales dinosaurs electricity magnets rainbows glaciers"""),
    *["the Moon", "the Nile", "the Alps", "the Sahara"],
]
