import { writeFile } from 'node:fs/promises';
import { renderPlatformsPage } from '../platforms-page.ts';

/** Prints what each platform takes, or writes it to a file. */
export async function printPlatforms(path: string | undefined): Promise<void> {
  const page = `${renderPlatformsPage()}\n`;
  if (path === undefined) process.stdout.write(page);
  else await writeFile(path, page);
}
