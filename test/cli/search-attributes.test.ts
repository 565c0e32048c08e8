import { searchAttributeTypes } from '../../cli/search-attributes.ts';
import { searchAttributes } from '../../workflows/operator-view.ts';

test('a namespace is given the search attributes that posts set, with their types', () => {
  const typeNames = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList', DATETIME: 'Datetime' } as Record<
    string,
    string
  >;
  const set = Object.values(searchAttributes).map(({ name, type }) => [name, typeNames[type]]);
  expect(Object.fromEntries(set)).toEqual(searchAttributeTypes);
});
