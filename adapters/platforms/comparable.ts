/** A text as people read it, to compare what was sent with what a platform shows. */
export const comparable = (text: string): string => text.replace(/\r\n?/g, '\n').trim().normalize('NFC');
