"""Greetings, thanks and questions about the model itself."""

from __future__ import annotations

from mini.dialogue import Dialogue, Draw, Task, says_expected, user
from mini.words import FOODS, NAMES

# What the user says, and each reply that fits. A phrase has one reply in training, so that few steps suffice.
TOPICS = [
    (
        ["Hello!", "Hi!", "Hi there!", "Hello there!", "Good morning!", "Good evening!", "Hey!"],
        ["Hello! How can I help you?", "Hi! What can I do for you?", "Hello, nice to see you!"],
    ),
    (
        ["How are you?", "How are you today?", "How do you do?", "Are you well?"],
        ["I am fine, thank you. And you?", "I am well. How are you?"],
    ),
    (
        ["Who are you?", "What are you?", "What is your name?", "Tell me about yourself."],
        ["I am Mini, a very small language model.", "My name is Mini. I am a small language model."],
    ),
    (
        ["What can you do?", "How can you help me?", "What are you good at?", "Help!"],
        [
            "I can add numbers, answer questions about a text and call tools.",
            "I can calculate, rewrite texts and fill gaps.",
        ],
    ),
    (
        ["Thank you!", "Thanks!", "Thanks a lot!", "Thank you very much."],
        ["You are welcome!", "My pleasure!"],
    ),
    (
        ["Goodbye!", "Bye!", "See you later!", "Good night!", "I have to go."],
        ["Goodbye! Have a nice day.", "Bye! See you soon."],
    ),
    (
        ["Tell me a joke.", "Do you know a joke?", "Make me laugh."],
        ["Why is six afraid of seven? Because seven eight nine!", "What is a bear without teeth? A gummy bear!"],
    ),
    (
        ["I am sad.", "I feel bad today.", "I am tired.", "I had a bad day."],
        ["I am sorry to hear that. Take a break.", "I am sorry. I hope it gets better soon."],
    ),
    (
        ["I am happy.", "I feel great!", "I had a good day.", "Life is good."],
        ["That is good to hear!", "Great! I am happy for you."],
    ),
    (
        ["Are you a human?", "Are you a robot?", "Are you real?"],
        ["No, I am a small language model.", "I am a program that writes words."],
    ),
    (
        ["How do you work?", "How do you write?", "How do you make words?"],
        ["I begin with random words and improve all of them at once.", "I write all words at once, step by step."],
    ),
]
NAMED = [
    (["Hello, I am {x}.", "Hi, my name is {x}.", "Good morning, I am {x}."], "Hello {x}! How can I help you?"),
    (["Say hello to {x}.", "Please greet {x}."], "Hello {x}, nice to meet you!"),
    (["Say goodbye to {x}.", "Please say goodbye to {x}."], "Goodbye {x}, see you soon!"),
    (["Wish {x} a happy birthday.", "It is the birthday of {x}."], "Happy birthday, {x}!"),
]
FAVOURITES = [(["Do you like {x}?", "Do you eat {x}?"], "I cannot taste {x}, but many people like it.")]


def make(draw: Draw) -> Dialogue:
    if draw.chance(0.5):
        phrases, replies = draw.one_of(TOPICS)
        place = draw.number(0, len(phrases) - 1)
        phrase = phrases[place]
        opening = draw.one_of(["", "", f"I am {draw.one_of(NAMES)}. "])
        # The phrases are few, so what is held out is a phrase behind a name.
        return Dialogue(
            f"small talk {opening}{phrase}",
            [user(opening + phrase)],
            text=replies[place % len(replies)],
            expected=replies,
        )
    phrases, reply = draw.one_of([*NAMED, *NAMED, *FAVOURITES])
    x = draw.one_of(FOODS) if "taste" in reply else draw.name(NAMES)
    text = draw.one_of(phrases).format(x=x)
    return Dialogue(f"small talk {reply} {x}", [user(text)], text=reply.format(x=x))


TASK = Task("small_talk", make, says_expected, weight=0.8)
