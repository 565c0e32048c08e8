/** Largest file that is taken, by kind, in bytes. What a platform accepts is its rules' business. */
export type LargestFiles = Readonly<Record<'image' | 'video', number>>;

/** A picture is decoded whole; a video passes through slice by slice. */
export const defaultLargestFiles: LargestFiles = { image: 36_000_000, video: 1_073_741_824 };

/** Whether a file is a video by its content type; what is not is a picture. */
export const isVideoType = (contentType: string): boolean => contentType.startsWith('video/');
