"""What people are called: forenames by origin, sex and birth cohort, surnames with a long tail, nicknames.

The lists are short and common; the tail of surnames is composed from stems and endings, so that a borough has
thousands of them. Nothing here knows about families: who shares a name is settled in `synthetic.people`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl

ORIGINS = (
    "english",
    "welsh",
    "irish_scottish",
    "pakistani",
    "bangladeshi",
    "sikh",
    "hindu",
    "polish",
    "romanian",
    "west_african",
    "caribbean",
    "somali",
    "arabic",
    "chinese",
)
ORIGIN_SHARE = np.array([0.595, 0.085, 0.065, 0.045, 0.03, 0.02, 0.02, 0.04, 0.025, 0.025, 0.02, 0.012, 0.01, 0.008])
ETHNICITY = {
    "english": (("WBRI", 0.95), ("MWBC", 0.015), ("MWAS", 0.01), ("MOTH", 0.01), ("WOTH", 0.015)),
    "welsh": (("WBRI", 0.97), ("MWBC", 0.02), ("MWAS", 0.01)),
    "irish_scottish": (("WBRI", 0.6), ("WIRI", 0.36), ("WIRT", 0.04)),
    "pakistani": (("APKN", 0.95), ("AOTH", 0.03), ("MWAS", 0.02)),
    "bangladeshi": (("ABAN", 0.97), ("AOTH", 0.03)),
    "sikh": (("AIND", 0.97), ("AOTH", 0.03)),
    "hindu": (("AIND", 0.96), ("AOTH", 0.04)),
    "polish": (("WOTH", 0.98), ("MOTH", 0.02)),
    "romanian": (("WOTH", 0.8), ("WROM", 0.2)),
    "west_african": (("BAFR", 0.94), ("MWBA", 0.06)),
    "caribbean": (("BCRB", 0.78), ("MWBC", 0.17), ("BOTH", 0.05)),
    "somali": (("BAFR", 0.97), ("BOTH", 0.03)),
    "arabic": (("OOTH", 0.75), ("AOTH", 0.15), ("MOTH", 0.1)),
    "chinese": (("CHNE", 0.97), ("AOTH", 0.03)),
}

# Forenames: (origin, sex) -> lists from the oldest cohort to the youngest, each from common to rare.
_COHORTS = (1952, 1985)  # born before, before, after
_FORENAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("english", "F"): (
        "Margaret Mary Joan Jean Patricia Sheila Barbara Doreen Dorothy Maureen Joyce Shirley Pauline Brenda "
        "Audrey "
        "Kathleen Sylvia June Beryl Betty Irene Eileen Marjorie Marion Valerie Rita Edna Hilda Elsie Iris "
        "Vera Gladys "
        "Winifred Muriel Phyllis Norma Josephine Rosemary Veronica Daphne",
        "Susan Julie Karen Jacqueline Deborah Tracey Jane Helen Diane Sharon Alison Nicola Sarah Joanne "
        "Amanda Lisa "
        "Michelle Claire Rachel Emma Samantha Louise Kelly Donna Elizabeth Catherine Christine Linda Carol "
        "Angela Dawn "
        "Wendy Paula Lorraine Andrea Victoria Rebecca Natalie Jennifer Gillian Lesley Beverley Katherine "
        "Sally Anne "
        "Zoe Leanne Kerry Melanie Debra Maxine Tina Heather Joanna Lynne",
        "Emily Jessica Chloe Charlotte Sophie Amy Lauren Megan Olivia Amelia Isla Ava Ella Lily Grace Mia "
        "Evie Poppy "
        "Isabella Freya Daisy Ruby Millie Sienna Lucy Hannah Bethany Georgia Jade Paige Katie Abigail Ellie "
        "Holly "
        "Jasmine Molly Phoebe Scarlett Lola Maisie Summer Rosie Florence Willow Elsie Ivy Harper Erin Imogen "
        "Alice "
        "Eleanor Matilda Evelyn Layla Courtney Danielle Shannon Gemma Stephanie Kayleigh Skye Esme Darcie "
        "Bonnie",
    ),
    ("english", "M"): (
        "John William Peter Ronald Kenneth George James Brian Derek Raymond Dennis Roy Thomas Arthur Frank "
        "Frederick "
        "Robert Michael Leonard Albert Gordon Stanley Alan Harold Eric Douglas Norman Ernest Reginald Walter "
        "Cyril Sidney "
        "Bernard Donald Gerald Geoffrey Roger Terence Maurice Trevor",
        "David Paul Andrew Mark Stephen Christopher Michael Ian Richard Robert Simon Gary Kevin Nigel Anthony "
        "Philip "
        "Martin Darren Lee Jason Neil Stuart Craig Matthew Jonathan Adrian Wayne Carl Graham Keith Steven "
        "Alan Barry "
        "Peter Nicholas Timothy Dean Shaun Russell Adam Daniel James Scott Justin Marcus Julian Clive Colin "
        "Malcolm "
        "Glenn Tony Karl Jeremy Howard",
        "Jack Thomas Joshua Oliver Harry James George Daniel Samuel Charlie William Matthew Ryan Luke Jacob "
        "Alfie "
        "Callum Noah Leo Oscar Archie Freddie Theo Arthur Henry Max Ethan Mason Lewis Benjamin Joseph "
        "Alexander Jake "
        "Liam Connor Nathan Kieran Bradley Jordan Adam Logan Lucas Tyler Toby Isaac Harvey Riley Finley "
        "Edward Reuben "
        "Jude Elliot Ashley Aaron Dominic Sebastian Kai Rory Louie Albie Tommy Frankie Jaxon Ellis Zachary "
        "Hugo Stanley",
    ),
    ("welsh", "F"): (
        "Margaret Mair Megan Gwyneth Olwen Mary Eirlys Glenys Myfanwy Nesta Beti Ceinwen Dilys Enid Gwenda Menna",
        "Siân Rhian Helen Bethan Carys Sarah Nia Delyth Susan Eleri Catrin Julie Angharad Lowri Rhiannon Elin Mari",
        "Ffion Cerys Megan Seren Carys Erin Lowri Mali Cadi Efa Nansi Elin Alys Gwen Catrin Heledd Mabli Martha Beca",
    ),
    ("welsh", "M"): (
        "John David Thomas William Gwyn Emrys Idris Hywel Glyn Elwyn Emlyn Trefor Ieuan Dilwyn Aneurin Ifor",
        "David Gareth Huw Alun Rhys Dafydd Geraint Ian Owain Emyr Aled Iwan Gethin Meirion Dylan Wyn Siôn Paul Mark",
        "Rhys Dylan Osian Harri Tomos Jac Steffan Morgan Gruffydd Macsen Ioan Evan Cai Gethin Llŷr Iestyn "
        "Owain Elis Guto",
    ),
    ("irish_scottish", "F"): (
        "Bridget Mary Kathleen Nora Margaret Agnes Isobel Morag Eileen Teresa Philomena Bernadette Jessie Ishbel",
        "Siobhan Fiona Maureen Moira Shona Karen Aileen Catriona Sinead Mairi Elaine Geraldine Lorna Kirsty Una Orla",
        "Niamh Aoife Eilidh Caitlin Ciara Saoirse Erin Roisin Orla Skye Iona Maeve Cara Clodagh Kirsty Mairead Ailsa",
    ),
    ("irish_scottish", "M"): (
        "Patrick James Michael Hugh Duncan Angus Hamish Sean Gerard Malcolm Archibald Eugene Cornelius Brendan",
        "Kevin Declan Brian Alasdair Liam Stuart Iain Gerard Neil Eamon Craig Patrick Fergus Donal Kenneth Niall Ewan",
        "Connor Finn Callum Cian Lewis Oisin Euan Rory Ciaran Fraser Tadhg Cormac Jamie Brodie Struan Darragh Eoin",
    ),
    ("pakistani", "F"): (
        "Nasreen Parveen Shamim Naseem Zubaida Fatima Kaneez Rukhsana Shaheen Surriya Zarina Bilqis Hamida "
        "Tasneem "
        "Aisha Saima Shazia Samina Farzana Rubina Uzma Nadia Sadia Sobia Yasmin Nazia Asma Tahira Shabana "
        "Noreen",
        "Aisha Fatima Maryam Zainab Khadija Hafsa Aleena Aaliyah Ayesha Iqra Maham Noor Hira Sana Amina Zara "
        "Eshal Inaya "
        "Anaya Safa Sumaiya Mariam Alishba Laiba Mahnoor Hania Areeba Aroush",
    ),
    ("pakistani", "M"): (
        "Mohammed Muhammad Abdul Ghulam Nazir Bashir Liaqat Tariq Javed Khalid Zafar Mahmood Rashid Arshad "
        "Nadeem Iqbal "
        "Shahid Imran Asif Kashif Sajid Amjad Naveed Waseem Zahid Mohammad Nasir Aftab Shabir Riaz Pervez",
        "Muhammad Mohammed Mohammad Mohamed Hamza Ali Ibrahim Yusuf Hassan Adam Zain Bilal Umar Haris Ahmed "
        "Abdullah "
        "Hamzah Ismail Zayn Yousaf Rayyan Musa Eesa Usman Daniyal Haider Saad Ayaan Sufyan Idrees",
    ),
    ("bangladeshi", "F"): (
        "Rahima Rokeya Amina Hasina Shamsun Jahanara Nurun Shahana Salma Nazma Sultana Fatema Ruksana Shirin "
        "Momtaz "
        "Rahela Monowara Shelina Rina Taslima Lutfa Dilara Ayesha Rehana",
        "Maryam Fatima Aisha Tahmina Sumaiya Nadia Tasnim Maisha Nusrat Farhana Anika Jannat Samiha Raisa "
        "Zara Inaya "
        "Afsana Sadia Tanisha Mahira Lamisa Nafisa",
    ),
    ("bangladeshi", "M"): (
        "Abdul Mohammed Md Nurul Shah Abdus Syed Kazi Rafique Anwar Shafiqul Mizanur Kamal Jamal Faruk Shahin "
        "Monir Harun "
        "Badrul Rezaul Aminul Mokhlis Tofazzal Helal",
        "Mohammed Muhammad Md Tanvir Sami Yusuf Ibrahim Ayaan Rayhan Zakariya Tahmid Nayeem Fahim Imran Adam "
        "Hamza Rafi "
        "Shayan Arman Ishaaq Mahdi Saif",
    ),
    ("sikh", "F"): (
        "Surjit Gurdev Balbir Harbans Jaswinder Kulwinder Manjit Paramjit Sukhwinder Ravinder Baljit Rajinder "
        "Narinder "
        "Amarjit Satwinder Harjinder Kamaljit Gurpreet Mandeep",
        "Simran Jasmine Harleen Kiran Manpreet Navneet Gurleen Asees Jasleen Amrit Avneet Mehar Ravneet Sukhmani Anaya",
    ),
    ("sikh", "M"): (
        "Gurdial Mohinder Surjit Balwinder Harjit Jaswant Kulwant Manjit Sukhdev Paramjit Ranjit Avtar Baldev "
        "Amarjit Davinder "
        "Ravinder Gurmeet Satnam Harpreet Jaspal",
        "Arjan Jaskaran Gurpreet Harjot Manveer Amrit Arjun Karan Fateh Angad Sahib Jovan Gurveer Kirpal "
        "Tejveer Ranveer",
    ),
    ("hindu", "F"): (
        "Kamla Pushpa Kanta Hansa Jyoti Bharti Usha Nirmala Sunita Meena Geeta Anita Rekha Sangita Priti "
        "Nisha Hema Bhavna "
        "Lakshmi Padma Vimla Urmila",
        "Priya Anaya Diya Aanya Riya Pooja Aisha Kavya Isha Anika Saanvi Meera Shreya Tara Nikita Avni Myra "
        "Krisha Ananya",
    ),
    ("hindu", "M"): (
        "Ramesh Suresh Mahesh Dinesh Kirit Bharat Rajesh Vijay Ashok Sanjay Anil Mukesh Hitesh Nilesh Jayesh "
        "Harish Prakash "
        "Kantilal Arvind Deepak Rakesh",
        "Arjun Aarav Dev Krishan Rohan Aryan Nikhil Ravi Vivaan Om Dhruv Ishaan Reyansh Veer Jay Neel Yash Shiv Kian",
    ),
    ("polish", "F"): (
        "Krystyna Halina Maria Barbara Elżbieta Danuta Teresa Janina Irena Jadwiga Zofia Urszula Bożena "
        "Grażyna Ewa "
        "Agnieszka Małgorzata Katarzyna Anna Joanna Monika Magdalena Beata Dorota Iwona Aneta Sylwia",
        "Zuzanna Julia Maja Zofia Hanna Lena Alicja Oliwia Maria Amelia Natalia Aleksandra Wiktoria Nikola "
        "Emilia Karolina "
        "Paulina Kinga Weronika Martyna Gabriela Patrycja",
    ),
    ("polish", "M"): (
        "Stanisław Jan Józef Zbigniew Tadeusz Kazimierz Jerzy Ryszard Andrzej Krzysztof Marek Piotr Tomasz "
        "Paweł Grzegorz "
        "Dariusz Mariusz Robert Jacek Wojciech Sławomir Adam Łukasz Marcin Rafał Michał",
        "Jakub Antoni Filip Szymon Kacper Oskar Dawid Mateusz Bartosz Kamil Adrian Patryk Wiktor Igor Oliwier "
        "Mikołaj Nikodem "
        "Maksymilian Dominik Aleksander Sebastian Tymon",
    ),
    ("romanian", "F"): (
        "Elena Maria Ioana Mihaela Ana Cristina Daniela Gabriela Alina Andreea Simona Florentina Carmen "
        "Roxana Nicoleta Oana",
        "Maria Andreea Sofia Ioana Alexandra Denisa Bianca Antonia Daria Larisa Anastasia Eva Teodora Ilinca "
        "Miruna Rebeca",
    ),
    ("romanian", "M"): (
        "Ion Vasile Gheorghe Nicolae Constantin Mihai Marian Florin Adrian Cristian Ionuț Daniel Bogdan "
        "Marius Cătălin Răzvan",
        "Andrei David Alexandru Ștefan Luca Matei Gabriel Darius Ionuț Rareș Mihai Vlad Tudor Eduard Sebastian Denis",
    ),
    ("west_african", "F"): (
        "Comfort Grace Mercy Folake Abiola Bukola Ngozi Chioma Funmilayo Abena Adwoa Efua Akosua Yetunde "
        "Blessing Patience "
        "Ifeoma Titilayo Esther Victoria Florence Adaeze",
        "Temitope Simisola Oluwaseun Ayomide Chiamaka Adaora Zainab Deborah Esther Kemi Tiwa Ama Nana "
        "Michelle Precious "
        "Favour Isabella Tamilore Ebunoluwa Nkechi Angel",
    ),
    ("west_african", "M"): (
        "Emmanuel Kwame Kofi Kwabena Chukwuemeka Babatunde Olusegun Adebayo Samuel Joseph Emeka Ikechukwu "
        "Tunde Kojo Yaw "
        "Festus Sunday Godwin Ayodele Oluwole Femi Peter",
        "Oluwaseyi Ayomide David Daniel Emmanuel Joshua Chidi Tobi Kwaku Tolu Jayden Nathaniel Obinna Ife "
        "Damilola Korede "
        "Malachi Ezekiel Timi Elijah Michael",
    ),
    ("caribbean", "F"): (
        "Icilda Hyacinth Pearl Gloria Beverley Yvonne Marcia Sonia Merle Lorna Sandra Cynthia Norma Audrey "
        "Claudette Paulette "
        "Sharon Donna Jennifer Michelle Angela Marlene",
        "Shanice Aaliyah Chantelle Tiana Naomi Jada Renee Kiara Amara Shaniqua Tanisha Leah Destiny Imani "
        "Zara Keisha Nevaeh",
    ),
    ("caribbean", "M"): (
        "Winston Clifton Desmond Errol Leroy Carlton Delroy Neville Trevor Lloyd Vincent Clive Everton "
        "Michael Anthony Tony "
        "Donovan Courtney Wayne Patrick Devon",
        "Jermaine Marcus Tyrone Andre Kai Jayden Malachi Isaiah Darnell Dwayne Reece Jerome Tyrell Ezra Zion "
        "Kieron Romell",
    ),
    ("somali", "F"): (
        "Fadumo Halimo Amina Hodan Khadra Safiya Sahra Zahra Asha Maryan Faiza Ifrah Hawa Nimco Ruqiya Shukri "
        "Ubah Hibo",
        "Amira Sumaya Hafsa Ayaan Khadija Maryam Ikram Salma Najma Hamda Aisha Fatima Zamzam Yasmin Sagal Idil Hanan",
    ),
    ("somali", "M"): (
        "Mohamed Abdi Ahmed Hassan Ali Abdullahi Osman Ibrahim Yusuf Omar Ismail Abdirahman Mohamud Farah "
        "Jama Said Nur Awale",
        "Mohamed Abdirahman Zakaria Ayub Ilyas Mustafa Hamza Abdullahi Khalid Bilal Sharmarke Liban Guled "
        "Idris Yahya Salman",
    ),
    ("arabic", "F"): (
        "Fatima Samira Nadia Leila Hanan Amal Huda Iman Rania Zainab Mona Suad Widad Najat Khadija Maha Noura Sawsan",
        "Maryam Sara Layla Nour Jana Lina Yasmin Salma Aya Hala Dina Malak Rahaf Tala Farah Ghina Rawan",
    ),
    ("arabic", "M"): (
        "Ahmed Mohammed Ali Hassan Hussein Khaled Mustafa Omar Samir Karim Nabil Tarek Walid Hamid Adel "
        "Faisal Jamal Salah",
        "Omar Yousef Mohammad Adam Ali Hamza Zaid Ibrahim Karam Laith Rayan Anas Sami Bilal Taha Yaseen Malik Elias",
    ),
    ("chinese", "F"): (
        "Mei Xiu Li Fang Ying Hui Yan Juan Min Ling Hong Yuk Siu Lai Ka Wai Shuk Ching Xia Na",
        "Jessica Emily Xinyi Zihan Yuxuan Grace Chloe Mei Ka-Yan Hoi Lok-Yi Alice Jia Yi Vivian Tiffany Amy Wing",
    ),
    ("chinese", "M"): (
        "Wei Jun Ming Hong Kwok Chi Wai Kam Tak Jian Yong Bo Feng Lei Qiang Sing Man Ho Yiu Hoi",
        "Jason Ethan Kevin Hao Zihao Yuchen Ka-Ho Tsz Ryan Daniel Haoran Lok Marcus Eric Kai Chun Wing-Hei Bowen",
    ),
}

_SURNAMES: dict[str, str] = {
    "english": (
        "Smith Brown Taylor Wilson Johnson Wright Walker White Green Hall Wood Jackson Clarke Harris Clark "
        "Turner Hill Cooper "
        "Ward Moore Baker Harrison King Lee Allen Morris Martin Watson Parker Bennett Young Cook Shaw Carter "
        "Richardson Bailey "
        "Collins Bell Miller Cox Marshall Robinson Thompson Mitchell Simpson Adams Barker Booth Mason Webb "
        "Rogers Hunt Palmer "
        "Mills Lawrence Fletcher Holmes Knight Dixon Barnes Chapman Pearson Butler Gibson Fisher Ellis "
        "Stevens Harvey Matthews "
        "Foster Andrews Hunter Ford West Cole Fox Hudson Lowe Day Gregory Poole Elliott Hart Walsh Brooks "
        "Newman Dean Burton "
        "Spencer Pearce Osborne Atkinson Read Fuller Bishop Lane Parsons Cross Francis Carr Page Warren Bates "
        "Barrett Bird "
        "Nicholson Wheeler Hardy Gardner Goodwin Nash Bolton Waters Long Pratt Slater Steele Potter Sharp "
        "Cartwright Hobbs "
        "Hawkins Tucker Stokes Hewitt Sutton Austin Chambers Frost Sanders Rowley Blackburn Whitehead "
        "Greenwood Dyson Pickles "
        "Ogden Tattersall Entwistle Hindle Crabtree Ramsden Sykes Haigh Armitage Lumb Naylor Oldroyd Thackray "
        "Verity"
    ),
    "welsh": (
        "Jones Davies Williams Evans Thomas Roberts Lewis Hughes Morgan Griffiths Edwards Owen Rees James "
        "Price Phillips Lloyd "
        "Jenkins Powell Howells Richards Pritchard Parry Ellis Harries Watkins Bowen Vaughan Humphreys "
        "Rowlands Bevan Pugh "
        "Prosser Llewellyn Probert Meredith Mathias Gwynne Nicholas Beynon Tudor Hopkin Cadwallader Protheroe"
    ),
    "irish_scottish": (
        "Murphy Kelly Campbell Stewart Robertson Anderson Macdonald Scott Reid Murray Ross Ryan Walsh Byrne "
        "Doyle Gallagher "
        "Kennedy Lynch Quinn Duffy Brennan Burke Nolan Flynn Fitzgerald Graham Ferguson Grant Hamilton Fraser "
        "Cameron Paterson "
        "Gordon Henderson Wallace Sinclair Munro Boyle Keane Hennessy Tierney Rafferty Cassidy Devlin Maguire"
    ),
    "pakistani": (
        "Khan Hussain Ahmed Akhtar Mahmood Iqbal Ali Shah Malik Mirza Butt Chaudhry Qureshi Rashid Bashir "
        "Aslam Raja Rafiq "
        "Nawaz Javed Sheikh Saleem Yousaf Sharif Zaman Haq Anwar Majid Riaz Ashraf Hanif Latif Siddiqui Dar "
        "Bhatti Awan Abbasi "
        "Gul Jabeen Naz Rehman Farooq Younis Zahid Arif Sadiq Tariq Rauf Mughal Kayani Janjua Gondal Cheema "
        "Baig"
    ),
    "bangladeshi": (
        "Islam Miah Rahman Ahmed Uddin Ali Hussain Choudhury Hoque Khan Alam Khanam Haque Chowdhury Kabir "
        "Hossain Talukder "
        "Sarkar Mia Karim Malik Ullah Matin Sikder Bhuiyan Mondal Rashid Quddus Majumder Mazumder Biswas "
        "Shikdar Molla Rob"
    ),
    "sikh": (
        "Singh Gill Sandhu Dhillon Sidhu Grewal Bains Johal Dhaliwal Sohal Virk Atwal Uppal Sangha Purewal "
        "Rai Mann Bhogal "
        "Chana Kalsi Matharu Sahota Samra Toor Heer Nijjar Dosanjh Randhawa Basra Hayer"
    ),
    "hindu": (
        "Patel Shah Sharma Mistry Kumar Desai Parmar Chauhan Joshi Mehta Solanki Gupta Reddy Nair Iyer Rao "
        "Gandhi Lad Vaghela "
        "Prajapati Tailor Bhatt Verma Trivedi Pandya Modi Kapoor Menon Thakrar Raval Pillai Naidu Dave Amin "
        "Panchal"
    ),
    "polish": (
        "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak "
        "Dąbrowski Kozłowski "
        "Jankowski Mazur Wojciechowski Kwiatkowski Krawczyk Kaczmarek Piotrowski Grabowski Zając Pawłowski "
        "Michalski Król "
        "Wieczorek Jabłoński Wróbel Nowakowski Majewski Olszewski Stępień Malinowski Jaworski Adamczyk Dudek "
        "Nowicki Pawlak "
        "Górski Witkowski Walczak Sikora Baran Rutkowski Michalak Szewczyk Ostrowski Tomaszewski Pietrzak "
        "Zalewski Wróblewski"
    ),
    "romanian": (
        "Popa Popescu Ionescu Radu Dumitru Stan Stoica Gheorghe Matei Ciobanu Rusu Constantin Marin Lazăr "
        "Ciocan Munteanu "
        "Moldovan Dobre Barbu Nistor Florea Tudor Sandu Neagu Cojocaru Ungureanu Ene Bălan Preda Stancu"
    ),
    "west_african": (
        "Mensah Owusu Boateng Osei Asante Appiah Addo Amoah Agyeman Ofori Adjei Okafor Okeke Eze Nwosu Obi "
        "Okoro Onyeka "
        "Adeyemi Balogun Ogunleye Akinola Ojo Bello Okonkwo Afolabi Lawal Danso Antwi Sarpong Quaye Sesay "
        "Kamara Bangura Conteh "
        "Jalloh Koroma Ibrahim Yeboah Gyamfi"
    ),
    "caribbean": (
        "Campbell Brown Williams Gordon Grant Reid Francis Thomas Bailey Clarke Henry Morgan Lewis James "
        "Richards Samuels "
        "Blake Edwards Joseph Charles Alexander Pierre Dacosta Bogle Pinnock Gayle Bartley Powell Nelson "
        "Daley Whyte Mclean "
        "Hibbert Lindo Facey Dunkley Wray Stephenson Barrett Beckford"
    ),
    "somali": (
        "Mohamed Ahmed Ali Hassan Abdi Omar Yusuf Ibrahim Osman Farah Jama Warsame Hussein Abdullahi Mohamud "
        "Nur Adan Aden "
        "Duale Elmi Guled Hersi Ismail Isse Muse Roble Samatar Sheikh Abdulle Dirie"
    ),
    "arabic": (
        "Ahmed Ali Hassan Hussein Mohammed Mahmoud Saleh Khalil Ibrahim Mansour Al-Hassan Haddad Aziz Hamdan "
        "Nasser Said "
        "El-Sayed Abdullah Rashid Karim Darwish Al-Masri Khoury Yassin Othman Bakr Jaber Salem Suleiman Taha"
    ),
    "chinese": (
        "Wong Chan Li Chen Wang Zhang Liu Lee Cheung Lam Yang Huang Lin Ho Leung Ng Cheng Zhao Wu Zhou Xu Sun "
        "Tang Yip Lau Chow "
        "Kwok Tsang Mak Yeung Tse Fung Hui Poon Siu"
    ),
}
# Stems and endings of the tail: (stems, endings) by origin.
_TAIL: dict[str, tuple[str, str]] = {
    "english": (
        "Ack Al Apple Ash As Bar Beck Ben Birch Black Bol Brad Bram Brent Broad Brock Bur Butter Cal Carl "
        "Charl Chad Chester Clay "
        "Clif Cold Col Cran Craw Crom Dal Dar Den Dray Dun East Eccle Ed El Fair Fal Fen Fern Gar Glad Grims "
        "Had Hal Ham Hart Has "
        "Hather Hazel Hed Hep Hey High Hol Horn Hor Hud Hux Kel Ken Kil Kim Kirk Lang Lax Leigh Lin Long Lud "
        "Mal Mar Mel Middle Mor "
        "Net New Nor North Nut Oak Ol Pem Pen Pick Pil Pres Ran Raw Red Rep Ris Rom Rook Ros Row Rud Rush Sal "
        "Sax Shel Ship Skip "
        "Sher South Stan Stock Strat Sud Swin Tad Tam Tat Thorn Thur Til Tod Trow Twi Wad Wake Wal Ware Wes "
        "Whit Wil Win Wood Wor Wrig",
        "ton ley ham ford worth field by well den don dale bourne shaw wood stead wick ridge more combe bury "
        "ington ingham "
        "ster man gate croft house hurst brook bridge thwaite bank",
    ),
    "welsh": (
        "Gwil Mered Llew Cad Bod Tre Pen Hen Ab Ap Mad Ior Cyn",
        "ym ith yn wyn fryn garth owen edwyn rhys wen og eth",
    ),
    "irish_scottish": (
        "Mc Mac O'",
        "Carthy Guire Kenna Donnell Neill Brien Connor Sullivan Leod Kenzie Intyre Pherson Grath Mahon Manus "
        "Gregor Farlane "
        "Dermott Allister Bride Callum Clelland Cormack Culloch Dade Elroy Ewan Fadden Garry Ginty Gowan Hugh "
        "Ilroy Innes "
        "Keown Laren Loughlin Millan Nab Nally Namara Phee Quaid Quillan Rae Shane Swiggan Vey Vicar Wade",
    ),
    "pakistani": (
        "Abd Fazal Gul Karam Mehr Noor Rahm Sher Shaf Wal Zul Has Nas Ghaf",
        "ullah dad zaman zai een een-Khan i at uddin ar",
    ),
    "bangladeshi": ("Abd Ash Az Fak Ham Jal Mah Nas Rah Sal Sham Taj Waz Zak", "uddin ullah ul-Haque im ul-Islam ar"),
    "sikh": (
        "Bal Bas Bhan Chah Dhan Gar Hun Jan Khak Lal Mahal Pan Rand Sahn San Tak Thind",
        "al wal an ia hu er ota ra",
    ),
    "hindu": (
        "Bhag Chand Dev Gok Hari Jag Kal Laks Mohan Nar Pras Raj Ran Sud Vij Yad",
        "wani ani kar bhai ya av esh pal anathan",
    ),
    "polish": (
        "Adam Bor Brzez Bud Chmiel Czar Dom Fili Gaw Glin Gołęb Góral Jag Jas Kal Kłos Krup Kub Lis Łuk Mac "
        "Mik Mro Olej Pac Pęk "
        "Raj Rog Sob Soch Staw Szcz Tur Wal Wilcz Zab Żak Żur",
        "iński owski ewski czyk czak iak ek alski ecki",
    ),
    "romanian": (
        "Albu Andr Ang Bog Bucur Cal Dan Fil Grig Iv Luc Mihăil Mun Negr Oprea Păun Petr Roș Sav Tom Vasil",
        "escu eanu oiu iu ache ei",
    ),
    "west_african": (
        "Ade Ayo Ola Olu Ogun Oye Akin Fal Ige Odu Oso Ani Nwa Uche Chi Ike",
        "bola wale yemi kunle dele sola tunji niyi bayo gbenga folarin labi wumi simi nuga lade kanmi jobi diya",
    ),
    "caribbean": ("Bar Bel Cam Clar Dal Den Gor Hen Lam Mor Pat Rob Wil", "son ford ton ridge ville ney well ier"),
    "somali": ("Abd Cab Dah Fah Gul Has Is Jim Kul Liib Mah Saal War", "irahman ulle ir an ax le aale iye"),
    "arabic": (
        "Al- El- ",
        "Amin Bakri Din Fares Ghazali Hakim Jabri Kateb Masri Najjar Omari Qasim Rifai Sabbagh Tamimi Zayn",
    ),
    "chinese": ("Ou Si Zhu Guo", "yang tu ma ge ang liang qiu"),
}
# Share of people with a name of the tail, and the Zipf-Mandelbrot constants (offset, exponent) of the head.
_TAIL_SHARE = {
    "english": 0.5,
    "welsh": 0.03,
    "irish_scottish": 0.4,
    "polish": 0.5,
    "west_african": 0.4,
    "romanian": 0.5,
}
_WOMENS = {
    "pakistani": ("Begum", "Bibi", "Akhtar", "Kauser"),
    "bangladeshi": ("Begum", "Khatun", "Bibi", "Akther"),
    "sikh": ("Kaur",),
}
WOMENS_SHARE = {"pakistani": 0.35, "bangladeshi": 0.55, "sikh": 0.65}

NICKNAMES: dict[str, tuple[str, ...]] = {
    name: tuple(nicks.split())
    for name, nicks in (
        entry.split(": ")
        for entry in [
            "Elizabeth: Liz Beth Lizzie Betty",
            "Katherine: Kate Kathy Katie",
            "Catherine: Cath Kate",
            "Margaret: Maggie Peggy Meg",
            "Patricia: Pat Trish",
            "Barbara: Babs",
            "Dorothy: Dot Dotty",
            "Susan: Sue Suzie",
            "Jacqueline: Jackie",
            "Deborah: Debbie Deb",
            "Jennifer: Jenny Jen",
            "Christine: Chris Tina",
            "Victoria: Vicky Tori",
            "Rebecca: Becky Becca",
            "Samantha: Sam",
            "Amanda: Mandy",
            "Nicola: Nicky",
            "Joanne: Jo",
            "Joanna: Jo Asia",
            "Michelle: Shell",
            "Charlotte: Lottie Charlie",
            "Olivia: Liv Livvy",
            "Amelia: Millie",
            "Isabella: Bella Izzy",
            "Eleanor: Ellie Nell",
            "Matilda: Tilly",
            "Abigail: Abi Abbie",
            "Bethany: Beth",
            "Jessica: Jess",
            "Stephanie: Steph",
            "Danielle: Dani",
            "Florence: Flo Florrie",
            "Josephine: Josie Jo",
            "Kathleen: Kath Kathy",
            "Theresa: Tess",
            "Angela: Angie",
            "Robert: Bob Rob Bobby",
            "William: Bill Will Billy",
            "Richard: Dick Rick Richie",
            "James: Jim Jamie Jimmy",
            "John: Jack Johnny",
            "Michael: Mike Mick",
            "David: Dave Davey",
            "Thomas: Tom Tommy",
            "Stephen: Steve",
            "Steven: Steve",
            "Christopher: Chris",
            "Andrew: Andy Drew",
            "Anthony: Tony Ant",
            "Peter: Pete",
            "Kenneth: Ken Kenny",
            "Ronald: Ron Ronnie",
            "Edward: Ted Eddie Ned",
            "Frederick: Fred",
            "Albert: Bert Bertie",
            "Leonard: Len Lenny",
            "Raymond: Ray",
            "Gerald: Gerry",
            "Geoffrey: Geoff",
            "Terence: Terry",
            "Nicholas: Nick",
            "Timothy: Tim",
            "Matthew: Matt",
            "Daniel: Dan Danny",
            "Samuel: Sam Sammy",
            "Benjamin: Ben",
            "Joseph: Joe",
            "Joshua: Josh",
            "Alexander: Alex Sandy",
            "Nathan: Nate",
            "Jonathan: Jon Jonny",
            "Philip: Phil",
            "Zachary: Zac",
            "Oliver: Ollie",
            "Charlie: Chas",
            "Harry: Haz",
            "George: Georgie",
            "Henry: Harry",
            "Arthur: Artie",
            "Katarzyna: Kasia",
            "Małgorzata: Gosia Margaret",
            "Agnieszka: Aga Agnes",
            "Magdalena: Magda",
            "Elżbieta: Ela",
            "Aleksandra: Ola",
            "Zuzanna: Zuzia",
            "Krzysztof: Krzysiek Chris",
            "Tomasz: Tomek Tom",
            "Wojciech: Wojtek",
            "Grzegorz: Grzesiek Greg",
            "Stanisław: Staszek Stan",
            "Jakub: Kuba",
            "Andrzej: Andy",
            "Mohammed: Mo",
            "Muhammad: Mo",
            "Mohammad: Mo",
            "Mohamed: Mo",
            "Abdirahman: Abdi",
            "Abdullahi: Abdi",
            "Oluwaseun: Seun",
            "Oluwaseyi: Seyi",
            "Temitope: Tope Temi",
            "Ayomide: Ayo",
            "Chukwuemeka: Emeka",
            "Funmilayo: Funmi",
            "Simisola: Simi",
            "Babatunde: Tunde",
            "Rajinder: Raj",
            "Kulwinder: Kully",
            "Balwinder: Bal",
            "Gurpreet: Gary",
            "Mihaela: Mia",
            "Alexandru: Alex",
            "Constantin: Costel",
            "Angharad: Haz",
            "Rhiannon: Rhi",
            "Dafydd: Dai David",
            "Gruffydd: Griff",
            "Siobhan: Shiv",
            "Caitlin: Cait",
            "Patrick: Pat Paddy",
            "Cornelius: Con",
        ]
    )
}
# Spellings that sources use for one another.
VARIANTS: tuple[tuple[str, ...], ...] = tuple(
    tuple(group.split())
    for group in [
        "Mohammed Muhammad Mohamed Mohammad Mohamud Md",
        "Ahmed Ahmad",
        "Hussain Hussein Husain",
        "Yusuf Yousaf Yousef Yusef",
        "Aisha Ayesha Asha",
        "Fatima Fatema Fadumo",
        "Maryam Mariam Maryan",
        "Chaudhry Choudhury Chowdhury",
        "Rahman Rehman",
        "Sean Shaun Shawn",
        "Stephen Steven",
        "Catherine Katherine Kathryn",
        "Sarah Sara",
        "Claire Clare",
        "Ann Anne",
        "Geoffrey Jeffrey",
        "Alan Allan Allen",
        "Teresa Theresa",
        "Siân Sian",
        "Siôn Sion",
        "Smith Smyth",
        "Clark Clarke",
        "Brown Browne",
        "Davies Davis",
        "Reid Read Reed",
        "Stewart Stuart",
        "Macdonald McDonald",
        "Thompson Thomson",
        "Shah Sha",
        "Miah Mia",
        "Philip Phillip",
        "Zara Zahra",
    ]
)


def _zipf(count: int, offset: float, exponent: float) -> np.ndarray:
    weights = 1.0 / (np.arange(count) + offset) ** exponent
    return weights / weights.sum()


@cache
def _surname_pool(origin: str) -> tuple[pl.Series, np.ndarray]:
    head = _SURNAMES[origin].split()
    stems, endings = (part.split() for part in _TAIL[origin])
    known = set(head)
    tail = [s + e for s in stems for e in endings if s + e not in known]
    tail = [t for t in dict.fromkeys(tail) if not any(a == b == c for a, b, c in zip(t, t[1:], t[2:], strict=False))]
    mix = np.random.default_rng(len(tail)).permutation(
        len(tail)
    )  # which of them are common is the same in every borough
    share = _TAIL_SHARE.get(origin, 0.12)
    weights = np.concatenate([_zipf(len(head), 1.2, 0.95) * (1 - share), _zipf(len(tail), 15.0, 0.8) * share])
    return pl.Series(head + [tail[i] for i in mix]), np.cumsum(weights / weights.sum())


@cache
def _forename_pool(origin: str, sex: str, cohort: int) -> tuple[pl.Series, np.ndarray]:
    lists = [tuple(text.split()) for text in _FORENAMES[(origin, sex)]]
    chosen = min(cohort * len(lists) // 3, len(lists) - 1) if len(lists) < 3 else cohort
    own = list(lists[chosen])
    other = [name for text in lists for name in text if name not in own]
    weights = np.concatenate([_zipf(len(own), 4.0, 0.9) * 0.93, np.full(len(other), 0.07 / max(len(other), 1))])
    return pl.Series(own + other), np.cumsum(weights / weights.sum())


def forenames(rng: np.random.Generator, origin: np.ndarray, female: np.ndarray, birth_year: np.ndarray) -> pl.Series:
    """A forename for each person, by index of origin, sex and year of birth. One series of strings, as long "
    "as the inputs."""
    cohort = np.searchsorted(_COHORTS, birth_year, side="right")
    group = (origin * 2 + female) * 3 + cohort
    return _by_group(rng, group, lambda g: _forename_pool(ORIGINS[g // 6], "F" if g // 3 % 2 else "M", g % 3))


def surnames(rng: np.random.Generator, origin: np.ndarray) -> pl.Series:
    """A surname, in the form that men carry, for each index of origin. One series of strings."""
    return _by_group(rng, origin, lambda g: _surname_pool(ORIGINS[g]))


def womens_surnames(rng: np.random.Generator, origin: np.ndarray) -> pl.Series:
    """The surname that women of an origin carry apart from their family's (Begum, Kaur), or null where there "
    "is none."""
    names = (
        pl.Series([None], dtype=pl.String).new_from_index(0, len(origin))
        if len(origin)
        else pl.Series([], dtype=pl.String)
    )
    values: list[str] = []
    chosen = np.full(len(origin), -1)
    for name, options in _WOMENS.items():
        rows = np.flatnonzero(origin == ORIGINS.index(name))
        chosen[rows] = len(values) + np.minimum(rng.geometric(0.6, len(rows)) - 1, len(options) - 1)
        values.extend(options)
    picked = pl.Series(values).gather(np.maximum(chosen, 0))
    return pl.select(pl.when(pl.Series(chosen) >= 0).then(picked).otherwise(names)).to_series()


def feminine(surname: pl.Expr) -> pl.Expr:
    """The form of a Polish surname that women carry: Kowalski, Kowalska."""
    return surname.str.replace(r"(s|c|dz)ki$", "${1}ka")


def nicknames(rng: np.random.Generator, forename: pl.Series) -> pl.Series:
    """A nickname for each forename that has one, else null. Deterministic by the generator."""
    table = pl.DataFrame(
        [(name, i, nick, len(nicks)) for name, nicks in NICKNAMES.items() for i, nick in enumerate(nicks)],
        schema={"forename": pl.String, "pick": pl.Int64, "nick": pl.String, "of": pl.Int64},
        orient="row",
    )
    sizes = table.select("forename", "of").unique()
    frame = pl.DataFrame({"forename": forename, "u": rng.random(len(forename))}).join(
        sizes, on="forename", how="left", maintain_order="left"
    )
    frame = frame.with_columns(pick=(pl.col("u") * pl.col("of")).cast(pl.Int64))
    return frame.join(table, on=["forename", "pick"], how="left", maintain_order="left")["nick"]


def _by_group(
    rng: np.random.Generator, group: np.ndarray, pool_of: Callable[[int], tuple[pl.Series, np.ndarray]]
) -> pl.Series:
    if not len(group):
        return pl.Series([], dtype=pl.String)
    index = np.zeros(len(group), dtype=np.int64)
    pools: list[pl.Series] = []
    offset = 0
    draw = rng.random(len(group))
    order = np.argsort(group, kind="stable")
    values, starts = np.unique(group[order], return_index=True)
    for value, rows in zip(values, np.split(order, starts[1:]), strict=True):
        pool, cumulative = pool_of(int(value))
        index[rows] = offset + np.minimum(np.searchsorted(cumulative, draw[rows]), len(pool) - 1)
        pools.append(pool)
        offset += len(pool)
    return pl.concat(pools).gather(index)
