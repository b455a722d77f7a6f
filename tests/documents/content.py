"""Forty documents in Korean and English, and a question for each: written for these tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A heading with its paragraphs; rows make a table below them."""

    heading: str
    paragraphs: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Text:
    """A document without a format, and a question that the section at ``index`` answers."""

    name: str
    title: str
    sections: tuple[Section, ...]
    question: str
    answer: str
    index: int


def _text(name: str, title: str, question: str, answer: str, index: int, *sections: tuple[object, ...]) -> Text:
    made = tuple(
        Section(str(heading), tuple(item for item in items if isinstance(item, str)), _rows(items))
        for heading, *items in sections
    )
    return Text(name, title, made, question, answer, index)


def _rows(items: list[object]) -> tuple[tuple[str, ...], ...]:
    return next((item for item in items if isinstance(item, tuple)), ())


KOREAN = (
    _text(
        "휴가규정",
        "휴가 규정",
        "병가는 일 년에 며칠까지 유급으로 쓸 수 있나요?",
        "60일",
        1,
        (
            "연차",
            "모든 임직원은 해마다 연차 휴가 열다섯 날을 받는다.",
            "쓰지 않은 연차는 이듬해 삼월 말까지 넘길 수 있다.",
        ),
        ("병가", "병가는 일 년에 60일까지 유급으로 쓸 수 있다. 사흘을 넘는 병가에는 진단서를 붙인다."),
        ("경조사", "경조 휴가는 아래 표를 따른다.", (("구분", "일수"), ("본인 결혼", "5일"), ("자녀 결혼", "2일"))),
    ),
    _text(
        "출장여비",
        "국내외 출장 여비 지침",
        "부산 출장의 숙박비 한도는 얼마인가요?",
        "11만 원",
        1,
        ("교통비", "고속열차는 일반실을 원칙으로 하고, 네 시간이 넘는 비행만 비즈니스석을 허용한다."),
        (
            "숙박비",
            "도시별 하루 숙박비 한도는 다음과 같다.",
            (("도시", "한도"), ("서울", "13만 원"), ("부산", "11만 원"), ("그 밖", "9만 원")),
        ),
        ("정산", "출장에서 돌아온 뒤 열흘 안에 영수증을 올려 정산한다."),
    ),
    _text(
        "보안수칙",
        "정보 보안 수칙",
        "비밀번호는 며칠마다 바꿔야 하나요?",
        "90일",
        0,
        ("비밀번호", "사내 계정의 비밀번호는 90일마다 바꾸고 열두 글자를 넘긴다."),
        ("노트북", "사무실을 나갈 때 노트북 화면을 잠그고, 분실하면 한 시간 안에 보안팀에 알린다."),
        ("외부 저장 장치", "승인받지 않은 이동식 디스크는 연결할 수 없다."),
    ),
    _text(
        "신입안내",
        "신입 사원 안내서",
        "입사 첫날 몇 시까지 어디로 가야 하나요?",
        "본관 2층 인재실",
        0,
        ("첫날", "첫날에는 아침 아홉 시 반까지 본관 2층 인재실로 온다. 신분증과 통장 사본을 가져온다."),
        ("사원증", "사원증은 둘째 날 오후에 나오며, 식당과 도서관에서도 쓴다."),
        ("멘토", "모든 신입 사원은 석 달 동안 멘토 한 사람과 함께 일한다."),
    ),
    _text(
        "회의실",
        "회의실 이용 안내",
        "대회의실은 몇 명까지 들어가나요?",
        "48명",
        1,
        ("예약", "회의실은 사내 누리집에서 이 주 앞까지 예약한다. 십오 분 안에 오지 않으면 예약이 풀린다."),
        ("크기", "대회의실에는 48명까지 들어가고, 소회의실 다섯 곳에는 여덟 명씩 들어간다."),
    ),
    _text(
        "구내식당",
        "구내식당 운영표",
        "금요일 저녁 식당은 몇 시에 문을 닫나요?",
        "저녁 일곱 시",
        1,
        ("점심", "점심은 열한 시 반부터 한 시 반까지이며, 채식 메뉴가 날마다 한 가지 있다."),
        ("저녁", "저녁은 다섯 시 반에 시작한다. 금요일에는 저녁 일곱 시에 문을 닫는다."),
    ),
    _text(
        "재택근무",
        "재택근무 운영 기준",
        "재택근무는 한 주에 몇 번까지 할 수 있나요?",
        "이틀",
        0,
        ("횟수", "재택근무는 한 주에 이틀까지 할 수 있으며 수요일은 모두 출근한다."),
        ("장비", "회사는 모니터 한 대와 의자 한 개를 집으로 보내 준다."),
        ("연락", "재택근무 중에는 열 시부터 네 시까지 메신저에 접속해 있어야 한다."),
    ),
    _text(
        "복지카드",
        "복지 포인트 안내",
        "복지 포인트로 살 수 없는 것은 무엇인가요?",
        "상품권",
        1,
        ("지급", "복지 포인트는 해마다 일월에 120만 점이 지급되고 연말에 사라진다."),
        ("사용처", "책, 운동, 여행, 건강 검진에 쓸 수 있다. 상품권과 주류는 살 수 없다."),
    ),
    _text(
        "차량관리",
        "업무용 차량 관리 지침",
        "업무용 차량의 엔진 오일은 언제 교환하나요?",
        "만 킬로미터",
        1,
        ("배차", "차량은 하루 전까지 총무팀에 신청하고 운행 일지를 쓴다."),
        ("정비", "엔진 오일은 만 킬로미터마다 교환하고, 겨울 타이어는 십일월에 단다."),
    ),
    _text(
        "안전교육",
        "현장 안전 교육 자료",
        "높은 곳에서 일할 때 안전대는 몇 미터부터 매야 하나요?",
        "2미터",
        1,
        ("보호구", "현장에서는 안전모와 안전화를 늘 쓰고 신는다."),
        ("고소 작업", "높이 2미터부터는 안전대를 매고 두 사람이 함께 올라간다."),
        ("화재", "소화기는 통로 열 걸음마다 있으며 달마다 압력을 확인한다."),
    ),
    _text(
        "품질검사",
        "부품 품질 검사 절차",
        "수입 검사에서 몇 개를 뽑아 재나요?",
        "스무 개",
        0,
        ("수입 검사", "입고된 묶음마다 스무 개를 뽑아 치수를 잰다. 하나라도 어긋나면 묶음을 돌려보낸다."),
        ("공정 검사", "선반 작업은 두 시간마다 첫 제품과 견주어 확인한다."),
        ("기록", "검사 기록은 칠 년 동안 보관한다."),
    ),
    _text(
        "고객응대",
        "고객 상담 응대 지침",
        "환불은 물건을 받은 뒤 며칠까지 되나요?",
        "14일",
        1,
        ("인사", "전화는 세 번 울리기 전에 받고 이름을 먼저 말한다."),
        ("환불", "물건을 받은 뒤 14일까지 환불할 수 있고, 뜯은 소프트웨어는 바꾸어 주기만 한다."),
    ),
    _text(
        "전기요금",
        "공장 전기 절감 계획",
        "압축 공기 누설을 막아 줄인 전력은 몇 퍼센트인가요?",
        "8퍼센트",
        1,
        ("조명", "창고의 형광등 삼백 개를 발광 다이오드 등으로 바꾸었다."),
        ("압축 공기", "배관의 누설을 막아 압축기 전력을 8퍼센트 줄였다."),
        ("다음 해", "내년에는 지붕에 태양광 판을 올린다."),
    ),
    _text(
        "도서실",
        "사내 도서실 이용 규칙",
        "책은 한 번에 몇 권까지 빌릴 수 있나요?",
        "다섯 권",
        0,
        ("대출", "책은 한 번에 다섯 권까지, 삼 주 동안 빌릴 수 있다."),
        ("연체", "늦게 돌려주면 늦은 날만큼 빌릴 수 없다."),
    ),
    _text(
        "연구노트",
        "연구 노트 작성 요령",
        "연구 노트는 누구에게 확인 서명을 받나요?",
        "공동 연구자",
        1,
        ("쓰는 법", "실험한 날에 손으로 쓰고, 지우개나 수정액을 쓰지 않는다."),
        ("서명", "주마다 과제에 참여하지 않은 공동 연구자에게 확인 서명을 받는다."),
    ),
    _text(
        "특허보상",
        "직무 발명 보상 규정",
        "특허가 등록되면 발명자는 얼마를 받나요?",
        "200만 원",
        1,
        ("신고", "발명을 마친 사람은 한 달 안에 지식재산팀에 신고한다."),
        ("보상금", "출원할 때 50만 원, 등록될 때 200만 원을 발명자에게 준다."),
    ),
    _text(
        "주차장",
        "주차장 운영 안내",
        "전기차 충전은 몇 시간까지 할 수 있나요?",
        "네 시간",
        1,
        ("등록", "차량 번호는 총무팀 누리집에서 등록하며 한 사람에 한 대다."),
        ("충전", "지하 일 층 충전기 여섯 대는 한 번에 네 시간까지 쓸 수 있다."),
    ),
    _text(
        "서버점검",
        "전산 장비 정기 점검표",
        "백업 복구 시험은 언제 하나요?",
        "분기 마지막 금요일",
        1,
        ("온도", "전산실 온도는 스물두 도를 지키며, 스물여섯 도에서 경보가 울린다."),
        ("백업", "백업은 날마다 새벽 두 시에 뜨고, 복구 시험은 분기 마지막 금요일에 한다."),
    ),
    _text(
        "채용절차",
        "경력 사원 채용 절차",
        "실무 면접에는 면접관이 몇 명 들어가나요?",
        "세 명",
        1,
        ("서류", "서류는 두 사람이 따로 읽고 평균을 낸다."),
        ("면접", "실무 면접에는 면접관 세 명이 들어가 구십 분 동안 묻는다."),
        ("통보", "결과는 합격 여부와 상관없이 닷새 안에 알린다."),
    ),
    _text(
        "동호회",
        "사내 동호회 지원 기준",
        "동호회를 만들려면 회원이 몇 명 있어야 하나요?",
        "열두 명",
        0,
        ("만들기", "동호회를 만들려면 회원 열두 명과 간사 한 명이 있어야 한다."),
        ("지원금", "지원금은 회원 한 사람에 달마다 만 원이다."),
    ),
)

ENGLISH = (
    _text(
        "greenhouse-manual",
        "Greenhouse Operating Manual",
        "At what humidity do the roof vents of the greenhouse open?",
        "85 percent",
        1,
        ("Watering", "Drip lines run for six minutes at sunrise and again at four in the afternoon."),
        ("Vents", "The roof vents open when the humidity reaches 85 percent, and close in strong wind."),
        ("Pests", "Yellow cards are counted every Monday; more than ten whiteflies call for ladybirds."),
    ),
    _text(
        "ferry-timetable",
        "Harbour Ferry Handbook",
        "How much does a bicycle cost on the ferry?",
        "3 crowns",
        1,
        ("Crossings", "Ferries leave the north pier every forty minutes from six in the morning."),
        (
            "Fares",
            "The fares of a single crossing:",
            (("Who", "Fare"), ("Adult", "5 crowns"), ("Child", "2 crowns"), ("Bicycle", "3 crowns")),
        ),
        ("Storm days", "Above nine Beaufort the master of the harbour cancels all crossings."),
    ),
    _text(
        "lens-care",
        "Care of Telescope Lenses",
        "What liquid removes fingerprints from a telescope lens?",
        "isopropyl alcohol",
        1,
        ("Dust", "Blow dust away with a rubber bulb; never wipe a dry lens."),
        (
            "Fingerprints",
            "Fingerprints come off with pure isopropyl alcohol on a cotton swab, from the centre outwards.",
        ),
    ),
    _text(
        "bakery-recipes",
        "Recipes of the Station Bakery",
        "How long does the rye sourdough rest before baking?",
        "fourteen hours",
        0,
        ("Rye bread", "The rye sourdough rests for fourteen hours at a cool room temperature before it is baked."),
        ("Cinnamon rolls", "Roll the dough thin, spread butter, and cut it into eighteen pieces."),
    ),
    _text(
        "bridge-inspection",
        "Inspection of the Mill Bridge",
        "Which bearing of the bridge must be replaced?",
        "the east bearing",
        1,
        ("Deck", "The asphalt of the deck has four cracks, none wider than two millimetres."),
        ("Bearings", "Rust has eaten a third of the east bearing, which must be replaced before winter."),
        ("Railing", "The railing was painted last spring and is sound."),
    ),
    _text(
        "choir-rules",
        "Rules of the Riverside Choir",
        "How many rehearsals may a singer of the choir miss?",
        "three rehearsals",
        0,
        ("Rehearsals", "The choir meets on Tuesdays. A singer may miss three rehearsals in a season."),
        ("Fees", "The yearly fee is forty crowns, and half for students."),
    ),
    _text(
        "drone-survey",
        "Drone Survey Procedure",
        "How high may the survey drone fly over fields?",
        "90 metres",
        1,
        ("Before the flight", "Charge both batteries, and calibrate the compass away from cars."),
        ("Flight", "Over fields the drone flies at most 90 metres high and always in sight of the pilot."),
        ("After the flight", "Copy the pictures to two disks before the card is erased."),
    ),
    _text(
        "museum-loans",
        "Loans of the Clock Museum",
        "Who pays the insurance of a loaned clock?",
        "the borrower",
        1,
        ("Requests", "A loan is requested six months ahead, with a plan of the room."),
        ("Insurance", "The borrower insures the clock from nail to nail and pays for it."),
    ),
    _text(
        "beehive-log",
        "Beekeeping Through the Year",
        "What is done against mites in August?",
        "formic acid",
        1,
        ("Spring", "In April the hives get a second box as soon as cherries bloom."),
        ("Late summer", "In August, after the honey is taken, mites are treated with formic acid."),
        ("Winter", "Bees are left alone in winter; only the entrance is kept free of snow."),
    ),
    _text(
        "printing-press",
        "The Letterpress Workshop",
        "How many kilograms does the old printing press weigh?",
        "1,150 kilograms",
        0,
        ("The press", "The old printing press of the workshop weighs 1,150 kilograms and stands on oak beams."),
        ("Ink", "Ink is mixed with a little linseed oil on cold mornings."),
    ),
    _text(
        "alpine-hut",
        "Guide for Wardens of the Alpine Hut",
        "When does the warden of the hut radio the valley?",
        "seven in the evening",
        1,
        ("Guests", "Guests sign the book and name their next goal."),
        ("Radio", "The warden radios the valley at seven in the evening, and reports the snow."),
        ("Supplies", "A helicopter brings gas and flour twice a summer."),
    ),
    _text(
        "pool-chemistry",
        "Water of the Public Pool",
        "What pH should the water of the pool have?",
        "7.2 to 7.4",
        0,
        ("Acidity", "The water of the pool is kept at a pH of 7.2 to 7.4, measured at opening time."),
        ("Chlorine", "Free chlorine lies between 0.3 and 0.6 milligrams a litre."),
    ),
    _text(
        "radio-station",
        "Handbook of Campus Radio",
        "How long may a song be announced by a presenter?",
        "twenty seconds",
        1,
        ("Studio", "The red lamp means that the microphones are open."),
        ("Presenting", "A presenter announces a song for at most twenty seconds."),
    ),
    _text(
        "orchard-harvest",
        "Harvest Plan of the Pear Orchard",
        "Which pears are picked first in the orchard?",
        "Early Duchess",
        0,
        ("Order", "Early Duchess pears are picked first, in the last week of July."),
        ("Storage", "Pears are stored at one degree, apart from apples."),
        ("Helpers", "Helpers are paid by the crate and get lunch."),
    ),
    _text(
        "tram-depot",
        "Night Work in the Tram Depot",
        "How often are the brake shoes of the trams measured?",
        "every three weeks",
        1,
        ("Washing", "Trams are washed outside at night unless it freezes."),
        ("Brakes", "The brake shoes are measured every three weeks and replaced below nine millimetres."),
    ),
    _text(
        "language-school",
        "Evening Courses of the Language School",
        "How many pupils sit in a beginners' class?",
        "eleven pupils",
        0,
        ("Classes", "A beginners' class has at most eleven pupils and meets twice a week."),
        ("Exams", "An exam is taken at the end of every level; it may be repeated once."),
    ),
    _text(
        "windmill-repair",
        "Repair of the Smock Windmill",
        "What wood are the new sails of the windmill made of?",
        "larch",
        1,
        ("Cap", "The cap turns again since its rollers were greased."),
        ("Sails", "The new sails of the windmill are made of larch, because oak was too heavy."),
    ),
    _text(
        "puppet-theatre",
        "Lighting Plan of the Puppet Theatre",
        "What colour is the light in the forest scene?",
        "deep green",
        1,
        ("Opening", "The opening is lit from the left by a single warm lamp."),
        ("Forest scene", "In the forest scene the light is deep green, and smoke rises from below."),
    ),
    _text(
        "lighthouse",
        "Keeping the Skerry Lighthouse",
        "How many flashes does the lighthouse give in a minute?",
        "four flashes",
        0,
        ("The light", "The lighthouse gives four flashes a minute, seen at eighteen miles."),
        ("Generator", "The generator is started on the first of every month for an hour."),
        ("Visitors", "Visitors climb in groups of six and wear helmets."),
    ),
    _text(
        "chess-club",
        "Statutes of the Chess Club",
        "What majority changes the statutes of the club?",
        "two thirds",
        1,
        ("Members", "Anyone who knows the moves may join; juniors pay nothing."),
        ("Changes", "The statutes are changed by two thirds of the members present."),
    ),
)

TEXTS = tuple(text for pair in zip(KOREAN, ENGLISH, strict=True) for text in pair)
"""Korean and English in turn."""
