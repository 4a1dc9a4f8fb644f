"""The plots: scripts that read like the stories they tell.

Each line of a script is one beat of the story. A line that starts with `|` is another wording of the beat above it, a
beat that starts with `?` may be left out, and an empty line may begin a new paragraph. Inside a line, `[a|b]` is a
choice and `{hero.they}` a word that the scene fills in.

Longer than other files, because twelve stories are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plot:
    """A script, what to call it when asking for it, and what a listener may ask afterwards."""

    about: tuple[str, ...]
    script: str
    questions: tuple[tuple[str, str], ...]
    dry: bool = False
    """Whether the plot needs air and weather, and so cannot happen under the sea."""
    alone: bool = False
    """Whether the plot needs a hero who is alone, and so cannot happen to a pair."""


INTRODUCTIONS = """
Once upon a time[,|] there {hero.was} {hero.named}[| who lived {home}].
| Once upon a time, {home}, there lived {hero.named}.
| Once upon a time {hero.named} lived {home}.
| There {hero.was} once {hero.named}[| who lived {home}].
| There {hero.was} {hero.named}. {hero.they} lived {home}.
| Long[|, long] ago, {home}, there lived {hero.named}.
| Long ago[,|] there {hero.was} {hero.named} who lived {home}.
| {home}[| there] lived {hero.named}.
| {hero.named} lived {home}.
| {hero.titled} lived {home}.
? Everyone [knew|liked] {hero}, because {hero.they} {hero.was} so [kind|friendly|funny|clever|polite].
| {hero} liked [to sing|to sleep late|sunny days|to tell jokes|to look at the stars|old songs|to play games].
"""

ENTRANCES = """
{morning}, {hero.titled} [woke up early|could not sit still|went outside|got up before everyone else].
| {morning}, {hero.named} sat {spot}, [thinking|dreaming|humming a song].
| {hero.titled} {hero.was} [having a quiet day|in a good mood|a little tired]. It was [very still|a fine day] {home}.
| {hero.titled} said, "[What a fine day!|I wonder what will happen today.|Today is a good day for a story.]"
| "[What a fine day|Good morning, world|Hello, everyone]!" said {hero.titled}.
| {hero.titled} {setting.went} slowly [home|along|around {spot}].
"""

DRY_ENTRANCES = """
It was raining. {hero.titled} [sat by the window|looked up at the clouds|listened to the rain] and [waited|sighed].
| It was [snowing|a cold day|a sunny day|a windy night]. {hero.titled} [{hero.was} glad to be home|went for a walk].
| The [sun was shining|wind was blowing|snow was falling|birds were singing]. {hero.titled} went [out|for a walk].
"""

LOST = """
{hero} had {thing.a} and loved it [very much|more than anything else|dearly].
| Of all the things in the world, {hero} loved {hero.their} {thing.full} the most.
| {hero} had a treasure. It was {thing.a}, a gift from {hero.their} [grandmother|grandfather|best friend].
? [Every night|Every evening], {hero.they} put the {thing} in a safe place before going to sleep.
| {hero.they} took it everywhere {hero.they} went.

{day}, the {thing} was gone.
| {day}, {hero} looked for the {thing}, but it was not there.
| {day}, {hero} came home and saw that the {thing} was gone.
"Oh no! Where is {hero.my} {thing}?" cried {hero}.
| "{hero.my} {thing}!" {hero.they} cried. "Who has seen {hero.my} {thing}?"
| {hero} {hero.was} very sad and did not know what to do.
{hero.they} looked {spot}. It was not there. {hero.they} looked {corner}. It was not there, either.
| {hero.they} searched {spot}, but found [nothing|only an old shoe]. Then {hero.they} searched {corner}. Nothing!
| {hero} looked {spot} and {corner}, but the {thing} was nowhere to be found.

Then {hero.they} met {helper.named}. "Why are you so sad?" asked {helper}.
| Just then {helper.named} came by. "What are you looking for?" asked {helper}.
"{hero.i} have lost {hero.my} {thing}," said {hero}. [|"{hero.i} have looked everywhere."]
| "{hero.i} cannot find {hero.my} {thing.full}," {hero.they} said[| with a sigh].
"[Do not cry|Do not worry|Cheer up]," said {helper}. "I saw something {thing.adjective} {nook}."
| {helper} thought for a moment. "Let us look {nook}," {helper.they} said.
| "[Come with me|Follow me]," said {helper}. "Two can look better than one."
They {setting.went} there together[|, side by side], and {nook} they found the {thing}!
| So they looked {nook}, and there was the {thing}, [safe and sound|as good as new].
| Together they looked {nook}. And what did they see? It was the {thing}!
{hero} [laughed|smiled|jumped] with joy. "Thank you, dear {helper.kind}!" {hero.they} said.
| "Thank you!" said {hero}, and gave {helper} a big hug.
? {hero.they} shared {hero.their} {food} with {helper}.
? From then on, {hero} [always took good care of|never again lost] the {thing}.
| That night {hero} slept well, with the {thing} close by.
| And {hero} learned that it is good to ask for help.
"""

WISH = """
{hero} wanted {thing.a}[| more than anything in the world].
| {hero} had one wish. {hero.they} wanted {thing.a}.
| Every night {hero} looked up and wished for {thing.a}.
"If only {hero.i} had {thing.a}," {hero.they} said, "{hero.i} would be so happy."
| Once, {hero.they} saw the [finest|most beautiful] {thing} in a [little shop|shop window].
| But {hero} had no money, not even one coin.

{day}, {hero} met {helper.named}. {helper} was [carrying a heavy basket|mending a broken cart|sweeping the floor].
| {day}, {hero} saw {helper.named} with a heavy sack. {helper} looked very tired.
"May {hero.i} help you?" asked {hero}.
| "Let {hero.me} help you," said {hero}.
"[Oh, yes, please|That is very kind of you|I would like that]," said {helper}.
So {hero} helped {helper} [all day long|until the sun went down|for three whole days].
| {hero} worked hard [all morning|all day], and {helper.they} [sang a merry song|told funny stories].
? {hero} {hero.was} tired, but {hero.they} did not [stop|complain].

When the work was done, {helper} [smiled|laughed]. "What do you wish for?" {helper.they} asked.
| At last the work was done. "Tell me, {hero.dear}, what do you want most of all?" asked {helper}.
"{hero.i} wish for {thing.a}," said {hero} in a small voice.
| {hero} told {helper} about the {thing.full}.
{helper} opened an old [box|bag], and inside was {thing.a}! "It is for you," said {helper}.
| "I have {thing.a} at home," said {helper}. "I do not need it. It is yours."
| The next day, {helper} came back with {thing.a}. "This is for you, {hero.dear}," {helper.they} said.
{hero} could not believe it. "Thank you! Thank you!" {hero.they} said.
| {hero} danced with joy and thanked {helper} a hundred times.
? {hero} and {helper} [became good friends|stayed friends for ever].
| From that day on, {hero} played with the {thing} every day.
| And so {hero} learned that a kind deed [is never lost|comes back to you].
"""

FEAR = """
{hero} {hero.was} afraid of {fear}.
| There was just one problem. {hero} {hero.was} [very much|terribly|a little] afraid of {fear}.
| {hero} {hero.was} not afraid of many things, but {hero.they} {hero.was} afraid of {fear}.
"[What if something happens|Something bad will happen]," {hero.they} always said, and stayed at home.
| The others laughed at {hero.them}. "Do not be so silly," they said.
? {hero} wished to be brave[|, but did not know how].

{day}, {hero} heard a cry for help. It was {friend.named}. {friend.they} was stuck {spot}!
| {day}, {hero.their} friend {friend}, {friend.a}, did not come home. {hero} knew that {friend} was {spot}.
| {day}, someone called, "Help! Help!" It was {friend.titled}, who was caught {spot}.
{hero} thought of {fear} and [began to shake|wanted to run away|stood very still].
| "{hero.i} cannot go there," thought {hero}. "{hero.am} too afraid."
But {friend} needed help. {hero} took a deep breath and {setting.went} on.
| But a friend is a friend. "{hero.i} will be brave," said {hero}, and {hero.they} set off.
| Then {hero} thought of {friend}, all alone. "{hero.am} coming!" {hero.they} called.
Little by little, {hero} came closer. {hero.they} sang a little song to feel brave.
| {hero} counted to ten, and then {hero.they} did not stop until {hero.they} found {friend}.

"Hold on to {hero.me}," said {hero}, and pulled {friend} out.
| {hero} [pulled and pulled|found a long rope and pulled], and at last {friend} was free.
"You saved me!" said {friend}. "You are the bravest {hero.kind} I know."
| "Thank you, {hero.dear}," said {friend}. "[I knew you would come|You are so brave]."
"But {hero.i} {hero.was} afraid all the time," said {hero}.
| {hero} looked around. "{hero.am} not so afraid any more," {hero.they} said.
"That is what being brave means," said {friend}.
| {friend} laughed. "Being afraid is all right. You came, and that is what counts."
? From that day on, {hero} {hero.was} not so afraid of {fear}[| any more].
| They went home together, and {hero} told everyone the story.
"""

STORM = """
{day}, a [great|terrible|big] storm came. The wind howled and the rain fell and fell.
| It rained and rained. The wind shook the trees, and {hero} {hero.was} glad to be [at home|warm and dry].
| Dark clouds filled the sky, and soon it began to [rain|snow]. {hero} made a fire and cooked some {food}.
Suddenly there was a knock at the door. Knock, knock, knock!
| Then {hero} heard something. Tap, tap, tap! Someone was at the door.
Outside stood {helper.named}, [cold and wet|wet from top to toe|shaking with cold].
| It was {helper.named}. {helper.they} was [so cold that {helper.they} could hardly speak|very wet and very tired].
"[Please|Oh, please], may I come in?" asked {helper}.
| "I have lost my way," said {helper}. "May I stay here tonight?"
"Of course," said {hero}. "Come in and get warm."
| "Come in, come in!" said {hero}. "There is room for [one more|everyone]."

{hero} gave {helper} a blanket and some {food}.
| Soon {helper} sat by the fire with a plate of {food}.
? They told each other stories until [late at night|the fire was low].
| "This is the best {food} in the world," said {helper}.
? Then there was another knock. It was {friend.titled}. "Is there room for me, too?" {friend.they} asked. And there was.
All night the storm roared, but inside it was warm[| and bright].
| Then everyone fell asleep, and nobody heard the storm any more.

In the morning the storm was over, and there was a rainbow in the sky.
| The next morning the sun was shining. Everything was bright and new.
"Thank you, {hero.dear}," said {helper}. "I will never forget this." And {helper.they} gave {hero} {thing.a}.
| {helper} pulled out {thing.a}. "This is for you, {hero.dear}," {helper.they} said, "because you were so kind."
? {hero} kept the {thing} and thought of {helper} whenever it rained.
| And whenever there was a storm, {helper} came to visit {hero}.
| A warm home is even warmer with a friend in it.
"""

QUARREL = """
{hero} had a friend, {friend.named}.
| {hero.their} best friend was {friend.named}.
They [played together every day|were always together|liked the same games].
{day}, they found {thing.a} {spot}.
| {day}, {spot}, they saw {thing.a}, and both wanted to have it.
"It is mine!" said {hero}. "{hero.i} saw it first."
| "{hero.i} want it!" cried {hero}.
"No, it is mine!" said {friend}.
| "No, I want it!" shouted {friend}. "Give it to me!"
They pulled and pulled, [until both of them fell over|and nobody would let go].
| They shouted so loudly that everyone could hear them.
Then {friend} went home [without a word|in tears], and {hero} {hero.was} alone with the {thing}.
| "You are not my friend any more," said {friend}, and went away.

But the {thing} was no fun [alone|without a friend].
| {hero} looked at the {thing}. It did not make {hero.them} happy at all.
{hero} asked {helper.named} what to do. "[Things come and go|A thing is only a thing]. A friend stays," said {helper}.
| {helper.named} had seen it all. "What is better," asked {helper}, "the {thing} or a friend?"
| {hero} sat {corner} and felt very lonely.
So {hero} took the {thing} and {setting.went} to {friend}.
| "{hero.i} know what to do," said {hero}, and {setting.went} straight to {friend} with the {thing}.
"{hero.am} sorry," said {hero}. "{hero.i} want to share the {thing} with you."
| "Please take it," said {hero}. "You are more important than {thing.a}."
"I am sorry, too," said {friend}. "Let us play with it together."
| {friend} began to smile. "[I missed you|I was silly, too]," {friend.they} said. "It can be ours."
And so they did. [|They played until the evening.]
? From that day on, {hero} and {friend} shared everything.
| They never quarreled about {thing.a} again.
"""

STRANGER = """
{hero} had no one to play with and often felt lonely.
| {hero} wanted a friend[| more than anything].
| Every day {hero} played alone, for there was nobody else to play with.
{day}, {friend.named} came to live [nearby|{spot}].
| {day}, {hero} saw someone new. It was {friend.named}, who was hiding {spot}.
Nobody wanted to [talk to|play with] {friend}. "[{friend.they} looks strange|{friend.they} is not one of us]," they said.
| "Stay away from {friend}," everyone said. "{friend.a} is always trouble."
But {hero} {setting.went} up to {friend.them}. "Hello," said {hero}. "Do you want to play with {hero.me}?"
| But {hero} thought, "Maybe {friend} is lonely, too." So {hero.they} said hello.
{friend} [looked up|smiled shyly|was very surprised]. "[I would love to|Yes, please|Nobody ever asked me that]," {friend.they} said.
They played [hide and seek|with {thing.a}|all day long] and [laughed a lot|had so much fun].
| {friend} showed {hero} {friend.their} {thing.full}, and {hero} shared {hero.their} {food}.

? Soon the others came to look. "May we play, too?" they asked. "Of course!" said {hero} and {friend}.
| When the others saw how much fun they had, they wanted to play, too.
? Even {helper.named} came to see them. "I was wrong," said {helper}. "A new friend is a gift."
"{hero.am} so glad that you came," said {hero}.
| "You are {hero.my} best friend," {hero} told {friend}.
{friend} [smiled|nodded]. "I am glad, too," {friend.they} said.
| "And you were the first to be kind to me," said {friend}.
? From that day on, {hero} {hero.was} never lonely again.
| And that is how {hero} and {friend} became friends.
"""

MOON = """
One night, the moon did not come up. The night was [as black as ink|very dark].
| One evening, something strange happened. The moon was gone from the sky.
"Where is the moon?" everyone asked. "[We cannot sleep without it|It is so dark]!"
| Nobody could sleep, and the little ones cried in the dark.
"{hero.i} will go and find the moon," said {hero}.
| So {hero} took {thing.a} and some {food} and set off to find the moon.
? {hero} walked over hills and through valleys[|, on and on].

On the way {hero.they} met {helper.named}. "Where are you going?" asked {helper}.
"{hero.am} looking for the moon," said {hero}.
"I saw it fall behind the [highest hill|tall trees|old tower]," said {helper}. "Come, I will show you the way."
| "I heard someone crying {spot}," said {helper}. "Maybe you should look there."
And there was the moon, sitting {spot}. It was [crying|sad and pale].
| {hero} looked {spot}, and there was the moon, small and round and [sad|tired].
"Dear moon, why are you not in the sky?" asked {hero}.
| "What is wrong, dear moon?" asked {hero}.
"I am so lonely up there," said the moon. "[Nobody ever says good night to me|Everyone sleeps when I shine]."
| "I am tired," said the moon. "[Nobody ever thanks me|I shine and shine, but nobody looks at me]."

"{hero.i} will say good night to you every evening," said {hero}. "That is a promise."
| {hero} gave the moon the {thing.full} and sang a song for it.
| "{hero.i} look at you every night," said {hero}. "You are the most beautiful light of all."
The moon began to shine. Slowly it rose, higher and higher, up to the sky.
| Then the moon smiled and floated back into the sky.
? Everyone cheered. "Hooray for {hero}!" they called.
And every night from then on, {hero} looked up and said, "Good night, moon."
| From then on, {hero} waved to the moon every night, and the moon shone back.
"""

SKILL = """
{hero} wanted to learn how to {skill}.
| More than anything, {hero} wanted to {skill}.
| All {hero.their} friends could {skill}, but {hero} could not.
{hero.they} tried once. {hero.they} tried twice. But it did not work.
| {hero.they} tried and tried, but every time it went wrong.
| {day}, {hero.they} tried to {skill}, but everyone laughed.
"{hero.i} will never learn it," said {hero}[| sadly].
| "It is too hard for {hero.me}," {hero} said, and sat down {spot}.

{helper.named} heard this. "Nobody learns to {skill} in one day," said {helper}.
| Then {helper.named} came by. "I could not {skill} at first, either," said {helper}.
"Can you teach {hero.me}?" asked {hero}.
| "Really?" asked {hero}. "Will you show {hero.me} how?"
"[Yes, I can|Gladly]," said {helper}. "But you must practice every day."
| "I will," said {helper}. "Come to me every morning, and never give up."
So {hero} practiced [every day|in the morning and in the evening]. [|Some days were good, and some days were bad.]
| {hero} came back every day, [even on holidays|even when {hero.they} {hero.was} tired].
? "Better!" said {helper}. "Once more."

[Then one day|One fine morning], it worked! {hero} could {skill}!
| After many days, {hero} tried again, and this time everything went right.
| Then came the day of the great party. {hero} stood up in front of everyone and began to {skill}.
"Look, {hero.i} can {skill}!" cried {hero}.
| Everyone clapped and cheered for {hero}.
"I knew you could do it," said {helper}.
| {helper} was very proud. "You never gave up," {helper.they} said.
? Soon {hero} taught the little ones how to {skill}.
| {hero} learned that everything is hard before it is easy.
"""

TRUTH = """
{hero} had a friend, {friend.named}. {friend} had {fragile.a} and was very proud of it.
| {friend}, {friend.a}, was {hero.their} friend. {friend.their} dearest thing was {fragile.a}.
{day}, {hero} {hero.was} playing with the {fragile}. Crash! It fell down and broke.
| {day}, {hero} took the {fragile} without asking. Then it fell, and it broke in two.
"Oh no," whispered {hero}. "What will {friend} say?"
| {hero} looked left and right. Nobody had seen it.
{hero.they} hid the {fragile} {spot} and {setting.went} [home|away].
| So {hero} put the broken {fragile} {spot}, where nobody could see it.

The next day {friend} was sad. "[My {fragile} is gone|I cannot find my {fragile}]," {friend.they} said. "Have you seen it?"
| Soon {friend} came. "Where is my {fragile}?" {friend.they} asked. "I have looked everywhere."
{hero} shook all over. "No," {hero.they} said[| quietly].
| "Maybe someone took it," said {hero}. But {hero.they} felt very bad.
That night {hero} could not sleep. The lie felt like a heavy stone.
| {hero} could not eat {hero.their} {food} and could not sleep.
? {hero} told {helper.named} everything. "[The truth is always lighter than a lie|You know what to do]," said {helper}.

In the morning {hero} went to {friend}. "{hero.i} broke your {fragile}," {hero.they} said. "{hero.am} so sorry."
| At last {hero} brought back the {fragile}. "It was {hero.me}," {hero.they} said. "{hero.i} broke it, and {hero.i} did not tell the truth."
{friend} was quiet for a moment. "I am sad about the {fragile}," {friend.they} said, "but I am glad that you told me."
| "Thank you for telling the truth," said {friend}. "That was brave."
Together they mended the {fragile}. It was not perfect, but it was [still beautiful|theirs].
| Then they took some glue and mended it together.
? {hero} felt as light as a feather.
| And {hero} never told a lie again.
"""

SOUP = """
{day}, {hero} {hero.was} hungry. "{hero.i} will make {food}," {hero.they} said.
| {hero} wanted to make {food}, the best {food} in the world.
| It was {hero.their} birthday, and {hero} wanted to make {food} for everyone.
But {hero} had only {first_ingredient}. "That is not enough," {hero.they} said.
| {hero.they} looked in the kitchen, but all {hero.they} found was {first_ingredient}.
So {hero.they} went to {friend.titled}. "Do you have anything for {hero.my} {food}?" {hero.they} asked.
| Then {friend.named} knocked at the door. "I am hungry, too," said {friend}.
"I have {second_ingredient}," said {friend}. "[You can have it|Let us cook together]."
| "I can bring {second_ingredient}," {friend.they} said.

Then they met {helper.named}. "[I have|I can give you] {third_ingredient}," said {helper}.
| "May I help?" asked {helper.named}. "I have {third_ingredient}."
"Come with us!" said {hero} and {friend}.
| "Wonderful!" said {hero}. "Now we have everything."
They took {first_ingredient}, {second_ingredient} and {third_ingredient} and put everything into a big pot.
| They mixed and stirred and cooked[| for an hour]. Soon there was a wonderful smell.
Then the {food} was ready. It was [warm and sweet|the best they had ever eaten].
| At last they sat around the table and ate the {food} until nothing was left.
? "It is so good because we made it together," said {friend}.
| "Next time we will make even more," said {hero}.
| And from then on they cooked together every week.
"""

SEED = """
{day}, {hero} found a tiny seed {spot}.
| {day}, {helper.named} gave {hero} a tiny seed. "Take good care of it," said {helper}.
"What are you, little seed?" asked {hero}. But the seed did not answer.
| "{hero.i} will plant it and see what happens," said {hero}.
{hero} put it into the earth and gave it some water.
| So {hero} made a small hole {corner} and put the seed into it.
The next day {hero.they} ran out to look. Nothing! "Grow, little seed," said {hero}.
| {hero} waited one day. {hero.they} waited two days. But nothing happened.
"Maybe it does not like {hero.me}," {hero.they} said[| sadly].
| "Why does it not grow?" asked {hero}.
"[Wait|Be patient]," said {friend.titled}. "Good things take time."
| {friend.titled} laughed. "A seed has to sleep before it wakes up," {friend.they} said.

So {hero} watered the seed every day and [sang to it|told it stories].
| {hero} waited, and the sun shone, and the rain fell.
Then, one morning, there was a small green leaf!
| At last a tiny green tip came out of the earth. "Look!" cried {hero}.
It grew and grew, until it was a beautiful {flower}.
| Week by week it grew, and in summer it was the biggest {flower} that anyone had ever seen.
"You were right," said {hero} to {friend}. "Good things take time."
| {hero} {hero.was} so proud. {hero.they} showed the {flower} to everyone.
? In autumn the {flower} had many seeds, and {hero} gave one to each friend.
| And every day {hero} sat beside the {flower} and smiled.
"""

SLEEP = """
It was late, but {hero} could not sleep.
| One night, when it was time for bed, {hero} {hero.was} not tired at all.
| Night came, and everyone was asleep, but {hero} {hero.was} wide awake.
{hero.they} turned to the left. {hero.they} turned to the right. It did not help.
| {hero.they} tried to count [sheep|stars|to a hundred], but it did not help.
So {hero.they} went to {friend.titled}. "How do you fall asleep?" asked {hero}.
"I [think of|dream about] {thing.a}," said {friend}. {hero} tried it, but it did not work.
| "I eat some {food}," said {friend}. {hero} ate some {food}, too, but {hero.they} {hero.was} still awake.

Then {hero.they} came to {helper.named}. "{hero.i} cannot sleep," said {hero}.
| {helper.named} was awake, too. "Why are you not in bed?" asked {helper}.
"[Come here|Sit down]," said {helper}. "I will tell you a story." It was a [long|quiet|slow] story about {thing.a}.
| "[Come here|Lie down]," said {helper}, and sang a [soft|slow|quiet] song about {thing.a}.
| "Have you said good night?" asked {helper}. So {hero} said good night to the stars, to {friend} and to {helper}.
Soon {hero} [began to yawn|closed both eyes|became very quiet].
| {helper} had hardly finished when {hero} began to yawn.
And before anyone could count to three, {hero} {hero.was} fast asleep.
| "Good night, {hero.dear}," whispered {helper}. But {hero} {hero.was} already asleep.
? And {hero} dreamed of {thing.a} until the morning.
"""

PLOTS = (
    Plot(
        ("a lost {thing}", "{thing.a} that gets lost", "something that is lost and found"),
        LOST,
        (
            ("What did {hero} lose?", "{hero} lost {hero.their} {thing.full}."),
            ("Who helped {hero}?", "{helper.named} helped {hero}."),
            ("Where was the {thing}?", "The {thing} was {nook}."),
        ),
    ),
    Plot(
        ("a wish", "{thing.a}", "a wish that comes true"),
        WISH,
        (
            ("What did {hero} want?", "{hero} wanted {thing.a}."),
            ("Who gave {hero} the {thing}?", "{helper.named} gave {hero} the {thing}."),
            ("Why did {hero} get the {thing}?", "{hero} got the {thing} because {hero.they} helped {helper}."),
        ),
        dry=True,
    ),
    Plot(
        ("being brave", "someone who is afraid of {fear}"),
        FEAR,
        (
            ("What {hero.was} {hero} afraid of?", "{hero} {hero.was} afraid of {fear}."),
            ("Who needed help?", "{friend} needed help."),
            ("Where was {friend}?", "{friend} was {spot}."),
        ),
    ),
    Plot(
        ("a storm", "a rainy night", "a knock at the door"),
        STORM,
        (
            ("Who knocked at the door?", "It was {helper.named}."),
            ("What did {helper} give {hero}?", "{helper} gave {hero} {thing.a}."),
            ("What did they eat?", "They ate {food}."),
        ),
        dry=True,
    ),
    Plot(
        ("two friends", "a quarrel", "sharing"),
        QUARREL,
        (
            ("What did they find?", "They found {thing.a}."),
            ("Who was {hero.their} friend?", "{hero.their} friend was {friend.named}."),
            ("Where did they find the {thing}?", "They found it {spot}."),
        ),
    ),
    Plot(
        ("a new friend", "someone lonely", "friendship"),
        STRANGER,
        (
            ("Who was {friend}?", "{friend} was {friend.a}."),
            ("Why was {hero} sad?", "{hero} was lonely and wanted a friend."),
            ("What was the name of the {friend.kind}?", "The {friend.kind} was named {friend}."),
        ),
        alone=True,
    ),
    Plot(
        ("the moon", "the moon and {hero.a}", "a dark night"),
        MOON,
        (
            ("What did {hero} look for?", "{hero} looked for the moon."),
            ("Where was the moon?", "The moon was {spot}."),
            ("Who showed {hero} the way?", "{helper.named} showed {hero} the way."),
        ),
        dry=True,
    ),
    Plot(
        ("learning something new", "someone who learns to {skill}", "never giving up"),
        SKILL,
        (
            ("What did {hero} want to learn?", "{hero} wanted to learn how to {skill}."),
            ("Who taught {hero}?", "{helper.named} taught {hero}."),
        ),
    ),
    Plot(
        ("telling the truth", "a broken {fragile}", "a lie"),
        TRUTH,
        (
            ("What did {hero} break?", "{hero} broke the {fragile}."),
            ("Where did {hero} hide the {fragile}?", "{hero} hid it {spot}."),
            ("Who was {hero.their} friend?", "{hero.their} friend was {friend.named}."),
        ),
    ),
    Plot(
        ("{food}", "cooking", "cooking together"),
        SOUP,
        (
            ("What did {hero} cook?", "{hero} cooked {food}."),
            ("What did {friend} bring?", "{friend} brought {second_ingredient}."),
            ("What did {helper} have?", "{helper} had {third_ingredient}."),
        ),
        dry=True,
    ),
    Plot(
        ("a seed", "a little seed that grows", "a garden"),
        SEED,
        (
            ("What did the seed become?", "The seed became a beautiful {flower}."),
            ("What did {hero} plant?", "{hero} planted a tiny seed."),
        ),
        dry=True,
    ),
    Plot(
        ("falling asleep", "bedtime", "someone who cannot sleep"),
        SLEEP,
        (
            ("Why {hero.was} {hero} awake?", "{hero} could not sleep."),
            ("Who helped {hero}?", "{helper.named} helped {hero} to fall asleep."),
        ),
    ),
)
