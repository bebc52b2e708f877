"""What shells and systems say in other languages than English, as patterns.

Only what they say most often: that a program, a file or a permission is not there.
"""

from __future__ import annotations

NO_PROGRAM = (
    r"command not found|[Kk]ommando nicht gefunden|[Bb]efehl nicht gefunden|commande introuvable"
    r"|orden no encontrada|no se encontró la orden|comando não encontrado|comando non trovato"
    r"|opdracht niet gevonden|команда не найдена|未找到命令|コマンドが見つかりません"
    r"|명령어를 찾을 수 없음|nie znaleziono polecenia|komut bulunamadı"
)
"""Shells of Unix, behind the name of a program."""

_QUOTED = r"['\"“„‘]?(?P<{}>[^\s'\"”’»]{{1,100}})['\"”’]?"
WINDOWS_HAS_NO_PROGRAM = (
    rf"(?:Der Befehl |Nazwa )?{_QUOTED.format('cmd')} ?(?:"
    r"ist entweder falsch geschrieben|n['’]est pas reconnu en tant que commande|no se reconoce como"
    r" un comando|não é reconhecido como um comando|non è riconosciuto come comando"
    r"|не является внутренней|不是内部或外部命令|不是內部或外部命令|は、内部コマンド"
    r"|은\(는\) 내부 또는 외부|nie jest rozpoznawana jako|wordt niet herkend als een interne"
    r"|iç ya da dış komut)"
)
"""Windows's cmd in other languages, in the first line of what it says."""

POWERSHELL_HAS_NO_PROGRAM = (
    r"(?:\S{1,100} ?: )?(?:Die Benennung |Der Name |Le terme |El término |O termo |Termine |Имя "
    rf"|用語 |无法将|無法將|無法辨識|Termin |De term )[ «\xa0]{{0,3}}{_QUOTED.format('cmdlet')}"
    r"[ »\xa0]{0,3}(?:wurde nicht als Name|n['’]est pas reconnu|no se reconoce como"
    r"|não é reconhecido como|non è riconosciuto|non riconosciuto|не распознано|は、コマンドレット"
    r"|项识别为|項辨識為|辨識為|詞彙是否為|nie został rozpoznany|wordt niet herkend)"
)
"""PowerShell in other languages."""

NO_FILE = (
    r"Datei oder Verzeichnis nicht gefunden|Aucun fichier ou dossier de ce(?: type| nom)?"
    r"|No existe el (?:fichero|archivo) o el directorio|Arquivo ou diretório inexistente"
    r"|File o directory non esistente|Bestand of map bestaat niet|Nie ma takiego pliku[^:\n]{0,30}"
    r"|Нет такого файла или каталога|没有那个文件或目录|沒有此一檔案或目錄"
    r"|そのようなファイルやディレクトリはありません|그런 파일이나 디렉터리가 없습니다"
)
"""What the system says of a file that is not there."""

NO_PERMISSION = (
    r"Keine Berechtigung|Permission non accordée|Permiso denegado|Permissão negada"
    r"|Permesso negato|Toegang geweigerd|Отказано в доступе|权限不够|許可がありません"
    r"|허가 거부|Brak dostępu"
)
"""What the system says of what is not allowed."""
